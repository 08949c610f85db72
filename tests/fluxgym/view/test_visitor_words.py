"""What a visitor is told in each state: our words and numbers, and nothing that came from outside."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgym.log.failures import Failure
from fluxgym.log.history import History
from fluxgym.run.identity import Identity
from fluxgym.run.queue import Turn
from fluxgym.run.record import NAN, SLOW, STALLED, Health, read_record, write_record
from fluxgym.run.status import Status
from fluxgym.view.visitor_words import summarise_for_visitor
from trainer.folder import RunFolder, State

from .runs import NOW, RUNNING, make_run, overfitting, stamp, step_lines, validations

SECRET = "planted"
QUEUED = Status("queued", since=NOW - 60, is_active=True, message=f"a note {SECRET}")
STUCK = Health(STALLED, f"No step for 9 m. {SECRET} fills the GPU.", NOW - 540, "resume", NOW + 360)
STATE = State(Path("a-1-state"), 10, 1, 0)


@pytest.fixture
def tell(tmp_path, read):
    def tell(status, log=""):
        said = summarise_for_visitor(RunFolder(tmp_path), status, read(log), NOW)
        assert SECRET not in repr(said)
        return said

    return tell


def ended(state, kind=None, **more):
    failure = Failure(kind, f"RuntimeError: {SECRET}", f"/home/{SECRET}/x.png") if kind else None
    return Status(state, f"Something {SECRET}.", NOW, NOW - 60, 60.0, 20, 100, 1, failure=failure, is_ours=True, **more)


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ((), "Learning. There is no validation loss; how well it learns shows in the samples."),
        ((0.9,), "Learning. The next validation tells whether it gets better."),
        ((0.9, 0.8), "Learning steadily. The validation loss still falls."),
        ((0.9, 0.8, 0.85), "Learning. The validation loss did not fall the last time, and once says little."),
        ((0.5, 0.6, 0.7), "By the validation loss it is not better than the base model so far."),
        ((0.9, 0.8, 0.85, 0.84, 0.81), "The validation loss was lowest at step 1 and has not fallen for 3 validations."),
    ],
)
def test_how_it_goes_without_advice(tell, losses, sentence):
    assert tell(RUNNING, step_lines(1, 20, 100) + validations(*losses)).sentence == sentence


@pytest.mark.parametrize(
    ("status", "label", "sentence"),
    [
        (replace(RUNNING, message=f"a note {SECRET}"), "Running", "Learning. There is no validation loss; how"),
        (replace(RUNNING, health=STUCK), "Stalled", "It makes no progress at the moment."),
        (
            replace(RUNNING, health=STUCK, resumes_left=2),
            "Stalled",
            "It makes no progress at the moment. It will be stopped and resumed in 6 m.",
        ),
        (replace(RUNNING, health=Health(SLOW, f"3 times: {SECRET}.", NOW)), "Slow", "Learning, slower than at first."),
        (replace(RUNNING, health=Health(NAN, SECRET, NOW)), "Loss is NaN", "The loss became not a number: what it learns from"),
        (replace(RUNNING, state="stopping"), "Stopping", "It is being stopped, after its state is saved."),
        (replace(RUNNING, state="stopping", is_ours=False), "Stopping", "It is being stopped."),
        (QUEUED, "Queued", "Waiting for its turn."),
        (replace(QUEUED, queue=Turn(2, 3, "GPU 7", SECRET, before=SECRET)), "Queued", "Second in line."),
        (replace(QUEUED, queue=Turn(12, 12, "GPU 7", SECRET)), "Queued", "Number 12 in line."),
        (
            replace(QUEUED, queue=Turn(1, 1, "GPU 7", blocked_by=f"{SECRET} (process 7) uses 20 GiB.")),
            "Queued",
            "First in line. It starts when there is room.",
        ),
        (replace(QUEUED, resumes_at=NOW + 40), "Resumes soon", "It broke off, and goes on by itself in 40 s."),
        (ended("stopped"), "Stopped", "Stopped at step 20 of 100."),
        (ended("stopped", resumable=STATE), "Stopped", "Stopped at step 20 of 100. It can go on from step 10."),
        (
            ended("lost", resumable=replace(STATE, step=20)),
            "Lost",
            "Its machine failed or restarted at step 20 of 100. It can go on from",
        ),
        (ended("failed", "missing_file"), "Failed", "A file is missing. It ended at step 20 of 100."),
        (ended("failed", "oom"), "Failed", "Out of memory at step 20 of 100."),
        (ended("failed", "other"), "Failed", "The training broke off at step 20 of 100."),
        (ended("completed"), "Completed", "20 steps in 1 m. Its LoRA is ready."),
        (replace(ended("completed"), is_ours=False), "Completed", "20 steps in 1 m."),
        (Status(None, f"It has no run.json in /{SECRET}."), "Not known", "It was seen last at step 20 of 100."),
    ],
)
def test_each_state_in_words_for_everyone(tell, status, label, sentence):
    said = tell(status, step_lines(1, 20, 100))
    assert (said.label, said.sentence.startswith(sentence)) == (label, True), said.sentence


def test_before_there_is_anything_to_tell(tell, tmp_path):
    nothing = tell(Status(None))
    assert nothing.sentence == "It has not made a step so far."
    history = History(tmp_path / "none.log")
    history.update()
    said = summarise_for_visitor(RunFolder(tmp_path), Status(None, SECRET), history, NOW)
    assert (said.sentence, {value for _, value, _ in said.metrics}) == ("It has not begun so far.", {"-"})
    assert tell(replace(ended("completed"), step=None, total_steps=None)).sentence == "It is done. Its LoRA is ready."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Caching text embeddings: 3/17", "Encoding 17 captions and prompts, 14 to go."),
        (f"Caching {SECRET}: 3/17", "Encoding images and captions."),
        (f"Loading {SECRET}: x", "Loading the base model."),
        (f"Downloading {SECRET}: x", "Downloading the base model. That happens once."),
    ],
)
def test_of_what_a_log_names_while_it_prepares_nothing_is_told(tell, line, sentence):
    assert tell(RUNNING, f"{stamp(0)} {line}\n").sentence == sentence
    assert tell(Status("starting", is_active=True), step_lines(1, 20, 100)).sentence == "The training is starting."


def test_six_numbers_and_none_of_the_machine_or_of_the_settings(tell):
    said = tell(RUNNING, overfitting(9, 6, kept=()))
    names = ["Time left", "Loss, epoch mean", "Validation", "Pace", "Started", "Last update"]
    assert [name for name, _, _ in said.metrics] == names
    assert said.metrics[4] == ("Started", "1 m ago", None)
    assert tell(replace(RUNNING, attempt=2)).metrics[4][0] == "Last start"
    assert "lowest at epoch 6 and has not fallen for 3 validations." in said.sentence


def test_when_a_queued_run_starts_is_told_without_whom_it_waits_for(outputs, tell):
    holder = make_run(outputs / SECRET, step_lines(1, 20, 100))
    record = read_record(holder)
    attempt = replace(record.attempts[0], places=["GPU 0"])
    write_record(holder, replace(record, attempts=[attempt], supervisor=Identity.of(os.getpid())))
    said = tell(replace(QUEUED, queue=Turn(1, 1, "GPU 0", SECRET)))
    assert said.sentence == "First in line. Starts in about 3 m."
