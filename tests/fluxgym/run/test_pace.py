"""The pace of steps as seen at a look every few seconds."""

import pytest

from fluxgym.run.pace import Pace


def watch(pace, seconds_per_step, steps, look=5.0):
    """Steps of one length, seen by looks."""
    seen, last = 0, 0.0
    for number in range(1, int(steps * seconds_per_step / look) + 1):
        done = int(number * look / seconds_per_step)
        if done > seen:
            pace.add(number * look - last, done - seen)
            seen, last = done, number * look


@pytest.mark.parametrize("seconds", [0.02, 1, 3, 4, 7, 20, 300])
def test_right_whatever_the_looks_see(seconds):
    pace = Pace()
    assert pace.now() is None
    watch(pace, seconds, max(100, 200 / seconds))
    assert pace.now() == pytest.approx(seconds, rel=0.1)
    assert pace.times_slower() == pytest.approx(1, rel=0.1)


def test_one_slow_step_moves_nothing():
    pace = Pace()
    watch(pace, 1, 200)
    pace.add(300, 1)
    assert pace.now() == pytest.approx(1, rel=0.1)
    assert pace.times_slower() == pytest.approx(1, rel=0.1)


def test_slower_against_the_first_steps():
    pace = Pace()
    watch(pace, 1, 100)
    assert pace.times_slower() is None or pace.times_slower() == pytest.approx(1)
    watch(pace, 1, 1000)
    watch(pace, 4, 100)
    assert pace.times_slower() == pytest.approx(4, rel=0.1)
    watch(pace, 4, 2000)  # it never becomes the usual pace
    assert pace.times_slower() == pytest.approx(4, rel=0.1)


def test_slower_only_when_it_lasts():
    pace = Pace()
    watch(pace, 1, 300)
    watch(pace, 4, 5)
    assert pace.times_slower() < 1.5


def test_a_beginning_tells_no_usual_pace():
    pace = Pace()
    watch(pace, 1, 60)
    watch(pace, 4, 3)
    assert pace.times_slower() is None
