"""What is said of a run that ended: how, what is kept, what to do."""

import pytest

from fluxgym.log.failures import Failure
from fluxgym.log.history import History
from fluxgym.log.remedies import REMEDIES
from fluxgym.run.record import Verdict
from fluxgym.run.status import Status
from fluxgym.view.ended import tell_cause

from .runs import failed, make_run, make_state, overfitting, step_lines, tell_run


def test_a_completed_run_says_where_it_was_lowest_if_not_at_its_end(tell):
    ended = Status("completed")
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
    assert told.sentence.endswith(" at step 7 of 9.")
    assert told.sentence.startswith(REMEDIES[kind].title) or kind == "oom"


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
    assert tell_run(folder).sentence == "The machine restarted at step 64 of 90. The state of epoch 6 is whole."


def test_a_cause_that_is_not_in_the_log_is_not_invented(tmp_path):
    said = "Failed at step 7 of 9, the cause is not in the log."
    folder = make_run(tmp_path / "a", step_lines(1, 7, 9), failed(7, 9, "other", f"{said} Exit code 1."))
    assert tell_run(folder).sentence == said
    named = failed(7, 9, "other", "ValueError: a sofa, at step 7 of 9. Exit code 1.")
    told = tell_run(make_run(tmp_path / "b", step_lines(1, 7, 9), named)).sentence
    assert told == "The training broke off at step 7 of 9."


def test_stopped_by_the_monitor_says_so(tmp_path):
    said = "Stopped by the monitor: no step for 9 m, at step 12 of 100."
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), Verdict("stopped", said, step=12))
    make_state(folder, 10, 1)
    assert tell_run(folder).sentence == f"{said} Resume goes on from step 10."
