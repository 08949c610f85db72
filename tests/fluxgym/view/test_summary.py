"""The sentence of each state, the numbers, and that nothing is invented."""

import dataclasses

import pytest

from fluxgym.log.failures import Failure
from fluxgym.log.history import History
from fluxgym.run.record import Verdict, read_record, write_record
from fluxgym.run.status import Status, read_status
from fluxgym.view import words
from fluxgym.view.summary import LOOKS, cause, summarise
from trainer.folder import RunFolder

from .runs import NOW, failed, make_run, make_state, stamp, step_lines

RUNNING = Status("running", since=NOW - 60, started=NOW - 60, attempt=1, is_active=True)


@pytest.fixture
def tell(tmp_path):
    def tell(status, log=""):
        path = tmp_path / "training.log"
        path.write_text(log)
        history = History(path)
        history.update()
        return summarise(RunFolder(tmp_path), status, history, NOW)

    return tell


def tell_run(folder):
    history = History(folder.training_log)
    history.update()
    return summarise(folder, read_status(folder), history, NOW + 3600)


def validations(*losses):
    return "".join(f"{stamp(0)} Validation: loss {loss:.4f} at step {number}\n" for number, loss in enumerate(losses))


def test_running(tell):
    log = f"{stamp(0)} Training: 100 steps, 10 epochs of 10 steps\n{stamp(0)} Epoch 1/10\n" + step_lines(1, 20, 100)
    told = tell(RUNNING, log.replace(" Epoch 1/10", " Epoch 2/10") + validations(0.9, 0.8, 0.7))
    ends = words.clock(NOW + 160, NOW)
    assert told.sentence == f"Learning steadily. The validation loss still falls, so let it run. Ends about {ends}."
    assert (told.label, told.icon, told.colour) == ("Running", "play_circle", "green")
    assert (told.progress, told.progress_text) == (0.2, "Step 20 of 100, epoch 2 of 10")
    names = [name for name, _, _ in told.metrics]
    assert names == ["Time left", "Loss, smoothed", "Validation", "Pace", "Learning rate", "Last line"]
    assert told.metrics[0][1:] == ("3 m", None)
    assert told.metrics[2][1:] == ("0.7000", "-0.1000")
    assert told.metrics[3][1] == "2.00 s/step"
    assert told.age_text.startswith("last line ")


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ((), "Learning. There is no validation loss, so judge it by the samples."),
        ((0.9,), "Learning. The next validation tells whether it gets better."),
        ((0.9, 0.8, 0.85), "The validation loss did not fall the last time. Once says little, so let it run."),
        (
            (0.9, 0.8, 0.85, 0.84, 0.81),
            "The validation loss was lowest at step 1 and has not fallen for 3 validations, so look at the samples.",
        ),
    ],
)
def test_the_trend(tell, losses, sentence):
    assert tell(RUNNING, step_lines(1, 20, 100) + validations(*losses)).sentence.startswith(sentence)


def overfitting(epochs, lowest, kept):
    """Epochs of 10 steps, of which the validation loss is lowest after one, and some save their LoRA."""
    log = ""
    for epoch in range(1, epochs + 1):
        log += f"{stamp(0)} Epoch {epoch}/{epochs}\n" + step_lines(10 * epoch - 9, 10 * epoch, 10 * epochs)
        log += f"{stamp(0)} Validation: loss {0.5 + abs(epoch - lowest) / 100:.4f} at step {10 * epoch}\n"
        log += f"{stamp(0)} Saving LoRA: outputs/a/a-{epoch:06d}.safetensors\n" if epoch in kept else ""
    return log


def test_where_the_validation_loss_was_lowest(tell):
    begin = "The validation loss was lowest at epoch 6 and has not fallen for 3 validations"
    said = tell(RUNNING, overfitting(9, 6, kept={6, 8})).sentence
    assert said.startswith(f"{begin}: the LoRA of epoch 6 may be the better one, look at the samples.")
    near = f"{begin}: the LoRA of epoch 4, the nearest one saved, may be the better one, look at the samples."
    assert tell(RUNNING, overfitting(9, 6, kept={4, 8})).sentence.startswith(near)
    assert tell(RUNNING, overfitting(9, 6, kept=())).sentence.startswith(f"{begin}, so look at the samples.")


def test_a_completed_run_says_where_it_was_lowest_if_not_at_its_end(tell):
    ended = Status("completed")
    log = overfitting(9, 6, kept={9})
    assert tell(ended, log).sentence.endswith(" Its LoRA is ready; the validation loss was lowest at epoch 6.")
    assert tell(ended, overfitting(9, 9, kept={9})).sentence.endswith(" Its LoRA is ready.")


def test_what_is_done_before_the_first_step_is_no_learning(tell):
    log = f"{stamp(0)} Training: 100 steps, 10 epochs of 10 steps\n{stamp(0)} Sampling: 4 prompts at step 0\n"
    told = tell(RUNNING, log)
    assert (told.label, told.sentence) == ("Starting", "Drawing the first samples; the first step comes after them.")
    assert tell(RUNNING, f"{log}{stamp(1)} Epoch 1/10\n").sentence == "Making the first step."
    assert tell(RUNNING, f"{log}{stamp(1)} Epoch 1/10\n" + step_lines(1, 1, 100)).label == "Running"


def test_preparing_counts(tell):
    told = tell(RUNNING, f"{stamp(0)} Caching text embeddings: 3/17\n")
    assert (told.label, told.sentence) == ("Starting", "Encoding 17 captions and prompts, 14 to go.")
    assert tell(RUNNING, f"{stamp(0)} Loading text encoders: x\n").sentence == "Loading the text encoders."
    begun = tell(Status("starting", is_active=True))
    assert (begun.sentence, begun.progress, begun.progress_text) == ("The training process is starting.", 0.0, "No step yet")
    assert {value for _, value, _ in begun.metrics[:5]} == {"-"}


def test_a_loss_that_is_not_a_number(tell):
    told = tell(RUNNING, step_lines(1, 20, 100, loss=float("nan")))
    assert told.sentence == "The loss is not a number since step 1: stop it and try a lower learning rate."


def test_stopping_and_queued(tell):
    assert (
        tell(Status("stopping", is_active=True), step_lines(1, 20, 100)).sentence == "Finishing step 21 and saving its state."
    )
    queued = tell(Status("queued", since=NOW - 720, is_active=True))
    assert (queued.sentence, queued.age_text) == ("Waiting for its turn.", "queued 12 m ago")


def test_what_else_is_to_be_said_of_a_run_under_way(tell):
    unguarded = Status("running", message="Its supervisor is gone; the training goes on.", is_active=True)
    told = tell(unguarded, f"{stamp(0)} Caching text embeddings: 3/17\n").sentence
    assert told == "Encoding 17 captions and prompts, 14 to go. Its supervisor is gone; the training goes on."
    nameless = Status(None, message="Its run.json is gone. Its training is alive (process 7).", is_active=True)
    assert tell(nameless, step_lines(1, 20, 100)).sentence == nameless.message


def test_completed(tmp_path):
    log = f"{stamp(0)} Epoch 10/10\n" + step_lines(1, 100, 100) + f"{stamp(0)} Training finished\n"
    told = tell_run(make_run(tmp_path / "a", log, Verdict("completed", "All is done.", step=100, total_steps=100)))
    assert told.sentence == "10 of 10 epochs in 1 h. Its LoRA is ready."
    assert (told.progress, told.next_step, told.age_text) == (1.0, "", "completed 1 h ago")
    assert told.metrics[0] == ("Took", "1 h", None)


@pytest.mark.parametrize(
    ("ended", "took", "metric"),
    [
        (NOW - 1800, "in 1 h 30 m, 2 attempts together", ("2 attempts took", "1 h 30 m", None)),
        (None, "are done", ("Last attempt took", "1 h", None)),
    ],
)
def test_the_time_of_all_attempts(tmp_path, ended, took, metric):
    log = f"{stamp(0)} Epoch 10/10\n" + step_lines(1, 100, 100) + f"{stamp(0)} Training finished\n"
    folder = make_run(tmp_path / "a", log, Verdict("completed", "All is done.", step=100, total_steps=100), attempts=2)
    record = read_record(folder)
    first = dataclasses.replace(record.attempts[0], ended=ended)
    write_record(folder, dataclasses.replace(record, attempts=[first, record.attempts[1]]))
    told = tell_run(folder)
    assert told.sentence == f"10 of 10 epochs {took}. Its LoRA is ready."
    assert told.metrics[0] == metric


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
        "Nothing is lost. The state of epoch 2 (step 190) is whole; resuming repeats 22 steps, about 1 m. A smaller batch"
    )


@pytest.mark.parametrize("kind", ["oom", "nan", "killed", "missing_file", "cuda", "nccl", "stopped", "other"])
def test_each_kind_of_failure_has_plain_words(tell, kind):
    told = tell(Status("failed", failure=Failure(kind, "x"), step=7, total_steps=9))
    assert told.sentence.endswith(" at step 7 of 9.")
    assert "x" not in told.sentence.replace("ex", "")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Killed by signal 9 (SIGKILL) at step 7 of 9.", "Killed by signal 9 (SIGKILL)."),
        ("the disk is full, at step 7 of 9. Exit code 1.", "The disk is full. Exit code 1."),
        ("Failed at step 7 of 9, the cause is not in the log.", "Failed, the cause is not in the log."),
        ("the loss became nan at step 6", "The loss became nan at step 6"),
    ],
)
def test_a_cause_does_not_tell_the_place_again(tmp_path, message, said):
    assert cause(Status("failed", message, step=7, total_steps=9), History(tmp_path / "none")) == said


def test_lost(tmp_path):
    folder = make_run(
        tmp_path / "a", step_lines(1, 64, 90), Verdict("lost", "The machine restarted at step 64 of 90.", step=64)
    )
    make_state(folder, 60, 6)
    assert tell_run(folder).sentence == "The machine restarted at step 64 of 90. The state of epoch 6 is whole."


def test_a_folder_of_another_tool(tell):
    told = tell(
        Status(None, "It has no run.json: FluxGym did not start it."), "\rsteps:  50%|# | 20/40 [01:00<01:00,  3.00s/it]"
    )
    assert (told.state, told.label) == (None, "Not started here")
    assert told.sentence == "Its log ends at step 20 of 40. Whether it is alive is not known here."
    assert tell(Status(None), "model saved.\n").label == "Completed"
    assert (
        tell(Status(None), "torch.OutOfMemoryError: CUDA out of memory.\n").sentence
        == "Out of GPU memory before the first step."
    )


def test_every_state_has_its_look():
    assert set(LOOKS) == {"queued", "starting", "running", "stopping", "stopped", "completed", "failed", "lost"}
