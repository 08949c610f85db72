"""What is said of a run that ended: how, what is kept, what to do."""

import time

import pytest

from fluxgym.log.failures import Failure
from fluxgym.log.history import History
from fluxgym.log.remedies import REMEDIES
from fluxgym.run.old_logs import archive_log, delete
from fluxgym.run.record import Verdict
from fluxgym.run.status import Status, read_status
from fluxgym.view.ended import tell_cause, tell_failed, tell_fix, tell_kept

from .runs import failed, make_run, make_state, overfitting, step_lines, tell_run, validations


def test_a_completed_run_says_where_it_was_lowest_if_not_at_its_end(tell):
    ended = Status("completed", is_ours=True)
    log = overfitting(9, 6, kept={9})
    assert tell(ended, log).sentence.endswith(" Its LoRA is ready; the validation loss was lowest at epoch 6.")
    assert tell(ended, overfitting(9, 9, kept={9})).sentence.endswith(" Its LoRA is ready.")


def test_stopped(tmp_path):
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), Verdict("stopped", "Stopped by you at step 12 of 100.", step=12))
    assert (
        tell_run(folder).sentence == "Stopped by you at step 12 of 100. Nothing was saved yet: Resume begins at the beginning."
    )
    make_state(folder, 12, 1, 2)
    assert tell_run(folder).sentence == "Stopped by you at step 12 of 100. Resume goes on from there."


def test_failed_says_what_is_kept(tmp_path):
    cause = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 576.00 MiB"
    folder = make_run(tmp_path / "a", step_lines(1, 212, 1520, pace=3), failed(212, 1520, "oom", cause))
    told = tell_run(folder)
    assert told.sentence == "Out of GPU memory at step 212 of 1,520."
    assert told.next_step.startswith("Nothing was saved yet: Resume begins at the beginning, with what was encoded.")
    make_state(folder, 190, 2)
    assert tell_run(folder).next_step.startswith(
        "Nothing is lost. The state of epoch 2 (step 190) is whole; resuming repeats 22 steps, about 1 m. Gradient"
    )


@pytest.mark.parametrize("kind", REMEDIES)
def test_each_kind_of_failure_has_plain_words(tell, kind):
    told = tell(Status("failed", failure=Failure(kind, "no words of ours"), step=7, total_steps=9))
    assert told.sentence.endswith(" at step 7 of 9: no words of ours." if kind == "other" else " at step 7 of 9.")
    assert told.sentence.startswith(REMEDIES[kind].title) or kind == "oom"
    is_sentence = any(f" {verb} " in REMEDIES[kind].title for verb in ("is", "was not", "does", "cannot"))
    assert (". It ended at " in told.sentence) == is_sentence


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Killed by signal 9 (SIGKILL) at step 7 of 9.", "Killed by signal 9 (SIGKILL)."),
        ("the disk is full, at step 7 of 9. Exit code 1.", "The disk is full. Exit code 1."),
        ("Failed at step 7 of 9, the cause is not in the log. Exit code 1.", "Exit code 1."),
        ("the loss became nan at step 6", "The loss became nan at step 6"),
    ],
)
def test_a_cause_does_not_tell_the_place_again(tmp_path, message, said):
    assert tell_cause(Status("failed", message, step=7, total_steps=9), History(tmp_path / "none")) == said


def test_lost(tmp_path):
    folder = make_run(
        tmp_path / "a", step_lines(1, 64, 90), Verdict("lost", "The machine restarted at step 64 of 90.", step=64)
    )
    make_state(folder, 60, 6)
    kept = "Nothing is lost. The state of epoch 6 (step 60) is whole; resuming repeats 4 steps, about 8 s."
    told = tell_run(folder)
    assert told.next_step == "", "it is said once"
    assert told.sentence == f"The machine restarted at step 64 of 90. {kept}"


def test_a_cause_that_is_not_in_the_log_is_not_invented(tmp_path):
    said = "Failed at step 7 of 9, the cause is not in the log."
    folder = make_run(tmp_path / "a", step_lines(1, 7, 9), failed(7, 9, "other", f"{said} Exit code 1."))
    assert tell_run(folder).sentence == said
    named = failed(7, 9, "other", "ValueError: a sofa, at step 7 of 9. Exit code 1.")
    told = tell_run(make_run(tmp_path / "b", step_lines(1, 7, 9), named)).sentence
    assert told == "The training broke off at step 7 of 9: ValueError: a sofa."


@pytest.mark.parametrize(
    ("message", "words", "rest"),
    [
        ("ValueError: a sofa, at step 7 of 9. Exit code 1.", "ValueError: a sofa.", "Exit code 1."),
        ("Killed by signal 11 (SIGSEGV) at step 7 of 9.", "Killed by signal 11 (SIGSEGV).", ""),
        (f"ValueError: {'sofa ' * 40}at step 7 of 9.", f"ValueError: {'sofa ' * 21}....", f"ValueError: {'sofa ' * 39}sofa."),
        (f"{'x' * 500}.", f"{'x' * 120} ....", f"{'x' * 500}."),
    ],
)
def test_a_failure_of_no_kind_begins_as_its_message_does(tmp_path, message, words, rest):
    """A row of the runs has no more than this sentence; on a page the cause stands below it and says what is left."""
    status = Status("failed", message, failure=Failure("other", message), step=7, total_steps=9)
    history = History(tmp_path / "none")
    assert tell_failed(status, history) == f"The training broke off at step 7 of 9: {words}"
    assert tell_cause(status, history) == rest
    assert tell_failed(status, history, names=False) == "The training broke off at step 7 of 9.", "visitors are not shown it"


def test_stopped_by_the_monitor_says_so(tmp_path):
    said = "Stopped by the monitor: no step for 9 m, at step 12 of 100."
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), Verdict("stopped", said, step=12))
    make_state(folder, 10, 1)
    assert tell_run(folder).sentence == f"{said} Resume goes on from step 10."


def test_a_lora_is_ready_only_where_there_is_one(tmp_path):
    """Another command may have made none: then its verdict is told, which says what was not checked."""
    said = "All 90 steps are done. Not checked: its log names no file that could be looked at."
    log = overfitting(9, 6, kept=())
    folder = make_run(tmp_path / "a", log, Verdict("completed", said, step=90, total_steps=90), command=["python", "x.py"])
    assert tell_run(folder).sentence == f"{said} The validation loss was lowest at epoch 6."
    folder.lora.write_bytes(b"x")
    assert " Its LoRA is ready; the validation" in tell_run(folder).sentence


def test_the_base_model_is_no_candidate(tell):
    log = step_lines(1, 20, 20) + validations(0.5, 0.6, 0.7)
    told = tell(Status("completed", is_ours=True), log).sentence
    assert told.endswith(" Its LoRA is ready; the validation loss never fell below the base model's.")


def test_another_command_is_started_again(tmp_path):
    again = "Resume starts the command again, from its beginning."
    stopped = Verdict("stopped", "Stopped by you at step 12 of 100.", step=12)
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), stopped, command=["python", "x.py"])
    assert tell_run(folder).sentence == f"Stopped by you at step 12 of 100. {again}"
    folder = make_run(tmp_path / "b", step_lines(1, 12, 100), failed(12, 100, "killed", "words"), command=["python", "x.py"])
    assert tell_run(folder).next_step.startswith(again)


def test_a_stop_after_the_loss_was_no_number_prefers_the_state_before(tmp_path):
    log = step_lines(1, 19, 100) + step_lines(20, 40, 100, loss=float("nan"))
    said = "Stopped by you at step 40 of 100."
    folder = make_run(tmp_path / "a", log, Verdict("stopped", said, step=40))
    make_state(folder, 40, 4)
    no_number = "The loss is no number since step 20"
    none = f"{said} {no_number}. There is no state from before that: begin again with a lower learning rate."
    assert (tell_run(folder).sentence, tell_run(folder).next_step) == (none, "")
    make_state(folder, 10, 1)
    before = f"{said} {no_number}. Resume from step 10, which is before that, with a lower learning rate."
    assert tell_run(folder).sentence == before


def test_a_title_names_the_file_that_is_to_blame(tmp_path):
    line = "PIL.UnidentifiedImageError: cannot identify image file '/data/robot/007.png'"
    log = f"{step_lines(1, 7, 9)}Traceback (most recent call last):\n{line}\n"
    folder = make_run(tmp_path / "a", log, failed(7, 9, "bad_image", f"{line}, at step 7 of 9. Exit code 1."))
    assert tell_run(folder).sentence == "An image cannot be read: 007.png. It ended at step 7 of 9."


@pytest.mark.parametrize(
    ("kind", "message", "fix"),
    [
        ("other", "ValueError: a sofa, at step 7 of 9. Exit code 1.", ""),
        ("other", "Failed at step 7 of 9, the cause is not in the log. Exit code 1.", REMEDIES["other"].fix),
        (
            "damaged_file",
            "a.safetensors: got 4 bytes, expected 9: download it again",
            "A download that broke off, or a disk that was full, leaves such a file.",
        ),
        ("gated", "its licence is not accepted: accept it at x, then run: hf auth login", ""),
        ("killed", "Killed by signal 9 (SIGKILL).", REMEDIES["killed"].fix),
    ],
)
def test_a_cure_does_not_say_again_what_the_message_says(kind, message, fix):
    assert tell_fix(Status("failed", failure=Failure(kind, message))) == fix


def test_when_the_loss_was_lost_and_when_it_ended(tmp_path):
    log = step_lines(1, 19, 100) + step_lines(20, 40, 100, loss=float("nan"))
    folder = make_run(tmp_path / "a", log, failed(40, 100, "nan", "the loss became nan at step 40"))
    assert tell_run(folder).sentence == "The loss became not a number at step 20. It ended at step 40 of 100."


def test_nothing_was_encoded_before_the_first_step(tmp_path):
    folder = make_run(tmp_path / "a", "", failed(None, None, "wrong_setting", "x cannot be used: y"))
    assert tell_run(folder).next_step.startswith("Nothing was saved yet: Resume begins at the beginning. The message")


def test_the_monitor_s_reason_is_not_said_twice(tmp_path):
    log = step_lines(1, 19, 100) + step_lines(20, 40, 100, loss=float("nan"))
    said = "Stopped by the monitor: the loss is not a number since step 20, at step 40 of 100."
    folder = make_run(tmp_path / "a", log, Verdict("stopped", said, step=40))
    make_state(folder, 10, 1)
    told = tell_run(folder).sentence
    assert told == f"{said} Resume from step 10, which is before that, with a lower learning rate."


def test_a_completed_run_whose_log_was_archived_says_so_and_what_it_did(tmp_path):
    done = Verdict("completed", "All 300 steps are done and a.safetensors is whole.", None, [], 300, 300)
    folder = make_run(tmp_path / "a", step_lines(1, 300, 300), done)
    before = tell_run(folder)
    archived = archive_log(folder)
    told = tell_run(folder)
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(archived.archived))
    where = f"Its log was archived on {date} and lies in logs/{archived.path.name}/."
    assert told.sentence == f"{before.sentence} {where}"
    assert told.sentence.startswith("300 steps in ")
    assert (told.progress, told.progress_text) == (1.0, "Step 300 of 300")
    delete(folder)
    assert tell_run(folder).sentence == f"{before.sentence} Its log is not there any more."


def test_other_ends_say_too_that_the_log_was_archived(tmp_path):
    said = "Stopped by you at step 12 of 100."
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), Verdict("stopped", said, step=12))
    archive_log(folder)
    assert " Resume begins at the beginning. Its log was archived on " in tell_run(folder).sentence
    never = make_run(tmp_path / "b", "", failed(None, None, "other", "Its supervisor did not come up."))
    never.training_log.unlink()
    assert "log" not in tell_run(never).sentence, "it never had one"


def test_no_number_of_steps_is_said_where_none_is_known(tell):
    assert tell(Status("completed", is_ours=True, took=180.0)).sentence.startswith("It is done. Its LoRA is ready.")


def test_what_is_kept_names_the_button_that_is_there(tmp_path):
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), failed(12, 100, "bad_image", "words"))
    status, history = read_status(folder), History(folder.training_log)
    assert tell_kept(status, history, "Try again").startswith('Nothing was saved yet: "Try again" begins at the beginning')
    other = make_run(tmp_path / "b", step_lines(1, 12, 100), failed(12, 100, "killed", "words"), command=["python", "x.py"])
    again = tell_kept(read_status(other), history, "Try again")
    assert again == '"Try again" starts the command again, from its beginning.'
