"""Bars of one epoch each, as steps of the whole training."""

from fluxgym.log.epoch_bars import EpochBars
from fluxgym.log.events import Step


def bar(step, elapsed, clock=None):
    is_stamped = clock is not None
    return Step(step, 8, 0.5, None, None, clock if is_stamped else elapsed, elapsed, is_stamped, is_in_epoch=True)


def test_steps_and_clock_go_on_from_epoch_to_epoch():
    bars = EpochBars()
    placed = [
        bars.place(bar(step, elapsed), epoch, 3)
        for epoch, step, elapsed in ((1, 1, 2.0), (1, 8, 16.0), (2, 1, 3.0), (3, 2, 2.0))
    ]
    assert [(each.step, each.total, each.clock, each.elapsed) for each in placed] == [
        (1, 24, 2.0, 2.0),
        (8, 24, 16.0, 16.0),
        (9, 24, 19.0, 19.0),
        (18, 24, 21.0, 21.0),
    ]
    assert not any(each.is_in_epoch for each in placed)


def test_a_time_stamp_is_kept_and_no_time_is_none():
    bars = EpochBars()
    assert bars.place(bar(1, 2.0, clock=7e8), 2, 2).clock == 7e8
    unknown = bars.place(Step(1, 8, 0.5, None, None, None, None, False), 1, 2)
    assert (unknown.clock, unknown.elapsed) == (None, None)
