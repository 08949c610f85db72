"""Losses by step, the pace, the time left, the mean of each epoch."""

import math
from array import array

import pytest

from fluxgym.log.curve import Curve, EpochMean, EpochMeans


def told(entries, curve=None):
    curve = curve or Curve()
    for step, loss, time in entries:
        curve.add(step, loss, time, True)
    return curve


def test_a_step_that_is_made_again_overwrites_and_those_ahead_stay():
    curve = told((step, 1.0, float(step)) for step in range(1, 11))
    curve.begin_attempt()
    told(((step, 2.0, 100.0 + step) for step in range(5, 8)), curve)
    assert list(curve.steps) == list(range(1, 11))
    assert list(curve.losses) == [1.0] * 4 + [2.0] * 3 + [1.0] * 3
    assert (curve.end, curve.points, curve.rewinds) == (7, 10, 1)


def test_a_bar_that_is_drawn_again_keeps_its_first_time_and_its_last_loss():
    curve = told([(1, math.nan, 1.0), (1, 0.5, 9.0), (2, 0.4, 10.0)])
    assert (list(curve.losses), list(curve.times), curve.points, curve.rewinds) == ([0.5, 0.4], [1.0, 10.0], 2, 0)


def test_unknown_losses_are_no_points():
    curve = told([(1, math.nan, 1.0), (2, math.inf, 2.0), (3, 0.5, 3.0)])
    assert (len(curve.steps), curve.points) == (3, 1)


def test_the_pace_leaves_pauses_out_and_the_time_left_does_not():
    curve = told((step, 1.0, 2.0 * step) for step in range(1, 11))
    curve.pause()
    told(((step, 1.0, 2.0 * step + 50) for step in range(11, 21)), curve)
    assert curve.seconds_per_step() == 2.0
    assert curve.eta_seconds(19) == pytest.approx(2.0 * 19 + 50)
    assert curve.eta_seconds(0) == 0


def test_a_clock_that_is_set_back_is_ignored():
    curve = told((step, 1.0, 2.0 * step - (3600 if step > 10 else 0)) for step in range(1, 21))
    assert curve.seconds_per_step() == 2.0
    assert curve.eta_seconds(10) == 20


def test_the_pace_is_that_of_the_last_steps():
    curve = told((step, 1.0, float(min(step, 500)) + 9 * max(0, step - 500)) for step in range(1, 1001))
    assert curve.seconds_per_step() == 9.0


def test_a_pace_that_is_finer_than_the_time_stamps_is_taken_over_more_steps():
    curve = told((step, 1.0, float(step // 40)) for step in range(1, 2001))
    assert curve.seconds_per_step() == pytest.approx(1 / 40, rel=0.05)


def test_a_pace_that_cannot_be_known_is_none():
    for entries in ([], [(1, 1.0, 5.0)], [(1, 1.0, 5.0), (2, 1.0, 5.0)], [(1, 1.0, math.nan), (2, 1.0, math.nan)]):
        curve = told(entries)
        assert curve.seconds_per_step() is None
        assert curve.eta_seconds(10) is None


def test_many_steps_at_once_give_the_same_as_one_by_one():
    steps, losses, times = range(5, 50), [1 / step for step in range(5, 50)], [float(step) for step in range(5, 50)]
    one, many = told((step, 1.0, float(step)) for step in range(1, 20)), told((step, 1.0, float(step)) for step in range(1, 20))
    one.begin_attempt()
    many.begin_attempt()
    told(zip(steps, losses, times, strict=True), one)
    many.place(array("q", steps), array("d", losses), array("d", times), True)
    assert vars(one) == vars(many)


def test_means_of_epochs():
    curve, means = Curve(), EpochMeans()
    epochs = [(1, 1)]
    told([(1, 1.0, 1.0), (2, 2.0, 2.0), (2, 3.0, 2.0)], curve)
    assert means.read(curve, epochs, False) == [EpochMean(1, 2.0, False, spread=1.0)]
    told([(2, 5.0, 2.0), (3, math.nan, 3.0)], curve)
    epochs.append((2, 4))
    first = EpochMean(1, 3.0, True, spread=2.0)
    assert means.read(curve, epochs, False) == [first]
    told([(4, 7.0, 4.0)], curve)
    assert means.read(curve, epochs, True) == [first, EpochMean(2, 7.0, True, spread=0.0)]
    curve.begin_attempt()
    told([(2, 1.0, 9.0)], curve)
    assert means.read(curve, [(1, 1)], False) == [EpochMean(1, 1.0, False, spread=0.0)]


def test_where_the_clock_breaks_is_known_and_forgotten_when_the_training_goes_back_before_it():
    curve = Curve()
    for step in range(1, 6):
        curve.add(step, 0.5, float(step), True)
    curve.begin_attempt()
    curve.add(6, 0.5, 100.0, True)
    curve.pause()
    curve.add(7, 0.5, 150.0, True)
    assert (list(curve.breaks), list(curve.pauses)) == ([0, 5], [0, 5, 6])
    curve.begin_attempt()
    curve.add(3, 0.5, 200.0, True)
    assert (list(curve.breaks), list(curve.pauses)) == ([0, 2], [0, 2])
