"""How long a step takes, by the supervisor's own clock: looks every few seconds see that so many steps were made since.

One such interval says little: at a look every 5 s, steps of 4 s are seen after 5 s mostly and two at once now and then. A mean
over many without the pauses is right, and neither one slow step nor a clock that is set moves it.
"""

import statistics
from collections import deque

KEPT = 60  # intervals
FEWEST = 3  # intervals that tell a pace
STRETCH_STEPS, STRETCH_SECONDS = 20, 60.0  # what a pace that lasts is seen over
FIRST = 5  # stretches that tell the usual pace; two do for a beginning
PAUSE = 4  # times slower than the middle one is no interval of steps: something else was done in it


class Pace:
    """The pace of one attempt; `factor` shortens its stretches, for tests."""

    def __init__(self, factor: float = 1.0) -> None:
        self._seconds = STRETCH_SECONDS * factor
        self._intervals: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._stretch: list[tuple[float, int]] = []  # intervals since the last of the first stretches
        self._first: list[float] = []  # s a step

    def add(self, seconds: float, steps: int) -> None:
        """`steps` steps were made in so many seconds, and nothing else was done in between."""
        self._intervals.append((seconds, steps))
        if len(self._first) < FIRST:
            self._stretch.append((seconds, steps))
            if self._is_long(self._stretch):
                self._first.append(_mean(self._stretch))
                self._stretch = []

    def now(self) -> float | None:
        """Seconds a step takes now; None as long as too few were seen."""
        return _mean(self._last()) if len(self._intervals) >= FEWEST else None

    def times_slower(self) -> float | None:
        """The last tens of steps, and at least a minute, against the first ones of this attempt; None: not known yet."""
        last = self._last()
        if len(self._first) < 2 or not self._is_long(last):
            return None
        return _mean(last) / statistics.median(self._first)

    def _last(self) -> list[tuple[float, int]]:
        taken: list[tuple[float, int]] = []
        for interval in reversed(self._intervals):
            if self._is_long(taken):
                break
            taken.append(interval)
        return taken

    def _is_long(self, intervals: list[tuple[float, int]]) -> bool:
        seconds, steps = sum(each for each, _ in intervals), sum(each for _, each in intervals)
        return len(intervals) >= FEWEST and steps >= STRETCH_STEPS and seconds >= self._seconds


def _mean(intervals: list[tuple[float, int]]) -> float:
    """Seconds a step, without pauses."""
    longest = PAUSE * statistics.median(seconds / steps for seconds, steps in intervals)
    kept = [(seconds, steps) for seconds, steps in intervals if seconds / steps <= longest]
    return sum(seconds for seconds, _ in kept) / sum(steps for _, steps in kept)
