"""Outcomes are told in their order, the average is of the last epoch, and a wish is granted once."""

import math

import pytest
import torch

from trainer.report import StepLines
from trainer.tally import Asked, Outcome, Tally, TrainingBroke


@pytest.fixture
def tally():
    return Tally(StepLines(10), [], per_epoch=2)


def outcome(loss, stop=0, save=0, sample=0):
    return Outcome(torch.tensor([loss, stop, save, sample], dtype=torch.float32), 1e-3)


def test_on_a_cpu_a_step_is_told_when_it_is_noted(tally, capfd):
    for step, loss in enumerate([1.0, 2.0, 4.0], 1):
        tally.note(step, outcome(loss))
        assert f"{step}/10 [" in capfd.readouterr().out
    assert tally.losses == [2.0, 4.0]


def test_what_waits_is_told_before_anything_is_done_with_it(tally, capfd):
    """As on a GPU, whose last step may still be under way."""
    for step in (1, 2):
        tally._waiting.append((step, outcome(float(step)), None))
    tally._read(keep=1)
    assert tally.losses == [1.0]
    tally.read_all()
    assert tally.losses == [1.0, 2.0] and not tally._waiting
    assert [line.count("/10 [") for line in capfd.readouterr().out.splitlines()] == [1, 1]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_no_number_is_told_with_its_step(tally, loss):
    tally.note(1, outcome(1.0))
    with pytest.raises(TrainingBroke, match=rf"the loss became {loss} at step 2") as broke:
        tally.note(2, outcome(loss))
    assert broke.value.step == 2 and tally.losses == [1.0]


def test_wishes_of_any_process_are_heard_and_granted_once(tally):
    tally.note(1, outcome(1.0, save=1, sample=2))
    assert tally.asked == Asked(save=True, sample=True)
    tally.grant(save=1)
    assert tally.asked == Asked(sample=True)
    tally._granted["save"] = 2  # a second step was begun before the wish was taken away, and tells it again
    tally.note(2, outcome(1.0, save=1, sample=1))
    assert tally.asked == Asked(sample=True)
    tally.note(3, outcome(1.0, stop=1, save=1))
    assert tally.asked == Asked(stop=True, save=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_last_step_is_told_later(tally):
    for step in (1, 2):
        tally.note(step, Outcome(outcome(float(step)).numbers.cuda(), 1e-3))
    assert tally.losses == [1.0]
    tally.read_all()
    assert tally.losses == [1.0, 2.0]
