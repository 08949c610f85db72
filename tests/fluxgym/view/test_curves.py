"""A run's losses over each axis."""

import numpy as np
import pytest

from fluxgym.log.history import History
from fluxgym.view.curves import read_curves

from .runs import stamp, step_lines


@pytest.fixture
def read(tmp_path):
    def read(log):
        (tmp_path / "a.log").write_text(log)
        history = History(tmp_path / "a.log")
        history.update()
        return history

    return read


def epochs(count, steps, per_epoch=None):
    return "".join(
        f"{stamp(0)} Epoch {number + 1}/{count}\n"
        + step_lines(number * steps + 1, (number + 1) * steps, count * (per_epoch or steps), loss=1 / (number + 1))
        for number in range(count)
    )


def test_by_step(read):
    found = read_curves(read(epochs(2, 10) + f"{stamp(0)} Validation: loss 0.7000 at step 20\n"))
    assert found.x.tolist() == found.raw_x.tolist() == list(range(1, 21))
    assert found.raw.tolist() == [1.0] * 10 + [0.5] * 10
    assert (found.validation_x.tolist(), found.validation.tolist(), found.width) == ([20], [0.7], 1)


def test_by_epoch_the_last_step_of_an_epoch_is_its_end(read):
    found = read_curves(read(epochs(3, 4)), "epoch")
    np.testing.assert_allclose(found.x, np.arange(1, 13) / 4)


def test_an_epoch_under_way_is_as_long_as_the_plan_says(read):
    log = f"{stamp(0)} Epoch 1/2\n" + step_lines(1, 5, 40)
    np.testing.assert_allclose(read_curves(read(log), "epoch").x, np.arange(1, 6) / 20)


def test_by_time_pauses_count_and_the_time_between_attempts_does_not(read):
    log = step_lines(1, 3, 100)  # 2 s a step, the stamps are of 2, 4, 6 s
    log += f"{stamp(20)} Saving sample: a.png\n" + step_lines(23, 23, 100).replace(" 23/100", " 4/100")  # 40 s later
    log += f"=== Attempt 2, 2026-11-24 20:00:00, resumed from x ===\n{stamp(5000)} Resuming: step 4 of 100\n"
    log += step_lines(3000, 3000, 9).replace("3000/9", "5/100") + step_lines(3001, 3001, 9).replace("3001/9", "6/100")
    found = read_curves(read(log), "time")
    assert found.raw_x.tolist() == found.x.tolist() == [0, 2, 4, 44, 44, 46]


def test_smoothing_by_a_weight_and_alike_for_runs_of_any_length(read):
    alternating = "".join(step_lines(step, step, 400, loss=step % 2) for step in range(1, 401))
    short = read(alternating)
    assert read_curves(short, smoothing=0).smooth.tolist() == read_curves(short).raw.tolist()
    rough, calm = (np.ptp(read_curves(short, smoothing=weight).smooth[200:]) for weight in (0.5, 0.99))
    assert calm < 0.1 < rough
    # the mean of all so far, whatever the weight of the beginning: no pull towards 0
    np.testing.assert_allclose(read_curves(short, smoothing=0.9999).smooth[-1], 0.5, atol=0.01)
    coarse = read_curves(short, smoothing=0.9, span=4)
    np.testing.assert_allclose(coarse.smooth, read_curves(short, smoothing=0.9**0.25).smooth)


def test_nothing_yet_and_an_axis_that_there_is_not(read):
    for axis in ("step", "epoch", "time"):
        assert len(read_curves(read(""), axis).x) == 0
    with pytest.raises(ValueError, match="got the axis 'week', expected one of step, epoch, time"):
        read_curves(read(""), "week")


def test_a_log_without_epochs_has_them_all_at_none(read):
    assert set(read_curves(read(step_lines(1, 5, 9)), "epoch").x) == {0.0}
