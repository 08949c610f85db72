"""Bins: no spike lost, the same however the curve arrives, the same cost at any length."""

import random
import time
from itertools import pairwise

import numpy as np
import pytest

from fluxgym.log.curve import Curve
from fluxgym.log.history import History
from fluxgym.view.downsample import MOST, Bins, get_bins

from .runs import step_lines


def tell(curve, first, last, seed=0):
    chance = random.Random(seed)
    for step in range(first, last + 1):
        curve.add(step, 1 / (1 + step / 100) + chance.random() / 10, float(step), True)
    return curve


def look(curve, bins=None):
    bins = bins or Bins()
    bins.update(curve)
    return bins


def test_a_short_curve_is_shown_whole():
    curve = tell(Curve(), 1, 300)
    steps, losses = look(curve).raw()
    assert steps.tolist() == list(curve.steps)
    assert losses.tolist() == list(curve.losses)


def test_a_long_curve_keeps_its_extremes_and_its_ends():
    curve = tell(Curve(), 1, 50_000)
    curve.losses[33_333], curve.losses[44_444] = 99.0, -7.0
    steps, losses = look(curve).raw()
    assert len(steps) <= 2 * MOST + 1
    assert np.all(np.diff(steps) > 0)
    assert (losses.max(), losses.min()) == (99.0, -7.0)
    assert (steps[losses.argmax()], steps[losses.argmin()], steps[-1]) == (33_334, 44_445, 50_000)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_however_it_arrives(seed):
    chance, grown, bins = random.Random(seed), Curve(), Bins()
    while len(grown.steps) < 6000:
        tell(grown, len(grown.steps) + 1, len(grown.steps) + chance.choice([1, 3, 100, 1500]), seed=len(grown.steps))
        bins.update(grown)
    at_once = look(grown)
    for ours, theirs in ((bins.raw(), at_once.raw()), (bins.smooth(), at_once.smooth())):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert (bins.width, bins.taken) == (at_once.width, at_once.taken)


def test_the_last_loss_may_still_change_and_unknown_ones_are_left_out():
    curve = tell(Curve(), 1, 10)
    bins = look(curve)
    curve.add(10, 0.123, 10.0, True)
    assert look(curve, bins).raw()[1][-1] == 0.123
    curve.add(11, float("nan"), 11.0, True)
    curve.add(12, 0.5, 12.0, True)
    assert look(curve, bins).raw()[0].tolist() == [*range(1, 11), 12]
    assert np.isfinite(bins.smooth()[1]).all()


def test_going_back_begins_anew():
    curve = tell(Curve(), 1, 2000)
    bins = look(curve)
    curve.begin_attempt()
    curve.add(1001, 5.0, 1.0, True)
    steps, losses = look(curve, bins).raw()
    assert (steps[-1], losses[-1], bins.taken) == (1001, 5.0, 1000)


def test_nothing_to_show():
    steps, losses = look(Curve()).raw()
    assert len(steps) == len(losses) == len(look(Curve()).smooth()[0]) == 0


def test_a_constant_stays_constant_when_smoothed():
    curve = Curve()
    for step in range(1, 3000):
        curve.add(step, 0.25, float(step), True)
    np.testing.assert_allclose(look(curve).smooth()[1], 0.25)


def test_a_look_costs_the_same_in_a_long_run(tmp_path):
    def cost(length):
        curve = tell(Curve(), 1, length)
        bins = look(curve)
        begin = time.process_time()
        for step in range(length + 1, length + 51):
            curve.add(step, 0.5, float(step), True)
            bins.update(curve)
            bins.raw()
            bins.smooth()
        return time.process_time() - begin

    cost(1000)
    assert min(cost(200_000) for _ in range(3)) < 3 * min(cost(1000) for _ in range(3)) + 0.01


def test_one_for_each_history_and_none_kept_when_it_is_gone(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(step_lines(1, 5, 9))
    history = History(log)
    history.update()
    bins = get_bins(history)
    assert get_bins(history) is bins
    assert bins.taken == 4
    log.write_text(step_lines(1, 3, 8))
    history.update()
    assert get_bins(history).taken == 2


def test_the_pace_is_without_pauses_and_over_seconds_that_can_be_measured():
    curve = Curve()
    for step in range(1, 31):
        if step == 16:
            curve.pause()
        curve.add(step, 0.5, 2.0 * step + (100 if step >= 16 else 0), True)
    steps, seconds = look(curve).pace()
    assert seconds.tolist() == [2.0] * 5
    assert steps.tolist() == [6, 11, 17, 22, 27]
    assert look(tell(Curve(), 1, 5)).pace()[0].tolist() == []


def test_the_clock_is_the_same_when_bins_are_merged():
    steps, seconds = look(tell(Curve(), 1, 50_000)).clock()
    assert steps[-1] == 50_000
    np.testing.assert_allclose(seconds, steps - 1)


def test_what_is_usual_does_not_heed_spikes_in_a_short_or_a_long_run():
    for length in (400, 100_000):
        curve = tell(Curve(), 1, length)
        before = look(curve).usual()
        assert np.quantile(curve.losses, 0.97) < before < 1
        for entry in range(100, length, 150):
            curve.losses[entry] = 5.0
        assert before <= look(curve).usual() < 2
    assert look(Curve()).usual() == 0


def test_a_pace_that_changes_is_seen_in_a_long_run():
    curve, time = Curve(), 0.0
    for step in range(1, 20_001):
        time += 1 if step <= 10_000 else 3
        curve.add(step, 0.5, time, True)
    steps, seconds = look(curve).pace()
    assert set(seconds[steps <= 9_900]) == {1.0}
    assert set(seconds[steps > 10_100]) == {3.0}


def test_the_smoothing_is_that_of_the_books_and_does_not_leap_when_bins_become_wider():
    curve = Curve()
    tell(curve, 1, 512)
    mean = weight = 0.0
    for loss in curve.losses:
        mean, weight = 0.9 * mean + 0.1 * loss, 0.9 * weight + 0.1
    assert look(curve).smooth(0.9)[1][-1] == pytest.approx(mean / weight)
    spans = []
    for step in range(513, 1500):
        curve.add(step, 0.3 + step % 11 / 50, float(step), True)
        spans.append(look(curve).span)
    assert max(later / one for one, later in pairwise(spans)) < 1.1
    assert spans[-1] == pytest.approx(1500 / 512, rel=0.09)
    assert len(set(spans)) < 15, "it stays most of the time"
