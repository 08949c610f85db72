"""The loss curve in at most MOST bins: lowest and highest of each, so that no spike is lost, its mean, and its time.

Kept incrementally: a look at a curve of a million steps costs the same as one of a thousand. A bin is a power of two wide
and begins at a multiple of its width, so that points stay where they are while the curve grows.
"""

import math
from array import array
from bisect import bisect_left
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from fluxgym.log.curve import Curve
from fluxgym.log.history import History

MOST = 512
PIECE = 1 << 18  # entries taken at once when there is much to catch up
SMOOTHING = 0.9  # weight of what was before, for each of MOST parts of the run
USUAL, WIDE, UPWARDS = 0.98, 16, 3.0  # see Bins.usual
LEAST_SECONDS = 10.0  # that a pace is measured over: time stamps have whole seconds
# Columns of the bins. The sums come last: seconds of its entries, those without pauses, and the steps that took these.
LOW_X, LOW, HIGH_X, HIGH, LAST_X, SUM, COUNT, SECONDS, AT_WORK, STEPS = range(10)
EMPTY = (0.0, np.inf, 0.0, -np.inf, -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0)
Numbers = npt.NDArray[np.float64]


class Bins:
    """The bins of one history. The last entry is not in them: its bar may be drawn again with another loss."""

    def __init__(self) -> None:
        self.last: tuple[float, float] | None = None  # step and loss of the last entry, where it has one
        self._end = np.empty((0, 2))  # step and seconds of the last entry
        self._begin(Curve())

    def _begin(self, curve: Curve) -> None:
        self.width = 1  # entries
        self.taken = 0  # entries
        self._bins = np.empty((0, len(EMPTY)))
        self._curve, self._rewinds = curve, curve.rewinds

    def update(self, curve: Curve) -> None:
        """Takes what is new; begins anew when the training went back. Hold the history's lock."""
        if curve is not self._curve or curve.rewinds != self._rewinds:
            self._begin(curve)
        while self.taken < curve.end - 1:
            piece = slice(self.taken, min(curve.end - 1, self.taken + PIECE))
            losses = np.array(curve.losses[piece])
            self._take(np.array(curve.steps[piece], dtype=np.float64), losses, timed(curve, piece.start, piece.stop))
        self.last, self._end = None, np.empty((0, 2))
        if curve.end:
            self._end = np.array([[curve.steps[curve.end - 1], timed(curve, curve.end - 1, curve.end)[0, 0]]])
        if curve.end and np.isfinite(curve.losses[curve.end - 1]):
            self.last = (curve.steps[curve.end - 1], curve.losses[curve.end - 1])

    def raw(self) -> tuple[Numbers, Numbers]:
        """Steps and losses: each of them, or the lowest and the highest of each bin; the last one always."""
        bins = self._known()
        low_is_first = bins[:, LOW_X] <= bins[:, HIGH_X]
        pairs = np.where(low_is_first[:, None, None], bins[:, [[0, 1], [2, 3]]], bins[:, [[2, 3], [0, 1]]]).reshape(-1, 2)
        keep = np.ones(len(pairs), bool)
        keep[1::2] = bins[:, LOW_X] != bins[:, HIGH_X]  # one entry, or all equal
        points = pairs[keep]
        if self.last:
            points = np.vstack([points, [self.last]])
        return points[:, 0], points[:, 1]

    @property
    def span(self) -> float:
        """Entries in which what was before keeps the weight of the smoothing: MOST of them in the run, a whole one at least.

        It grows by an eighth of an octave at a time: the line moves a little now and then, and stays in between."""
        octaves = math.log2(max(1.0, (self.taken + 1) / MOST))
        return float(2 ** (math.floor(8 * octaves) / 8))

    def smooth(self, smoothing: float = SMOOTHING, span: float | None = None) -> tuple[Numbers, Numbers]:
        """Steps and smoothed losses: an exponential mean over the bins' means, without the pull of its beginning (as Adam's
        moments: Kingma and Ba 2015, algorithm 1).

        What was before keeps the weight `smoothing` (0 to below 1) in each `span` entries."""
        bins = self._known()
        counts, sums = bins[:, COUNT], bins[:, SUM]
        steps = np.maximum(bins[:, LOW_X], bins[:, HIGH_X])
        if self.last:
            counts, sums, steps = np.append(counts, 1), np.append(sums, self.last[1]), np.append(steps, self.last[0])
        kept = smoothing ** (counts / (span or self.span))
        values, mean, weight = np.empty(len(counts)), 0.0, 0.0
        for number, (keep, value) in enumerate(zip(kept.tolist(), (sums / counts).tolist(), strict=True)):
            mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
            values[number] = mean / weight
        return steps, values

    def usual(self) -> float:
        """A height below which nearly all losses lie; 0 where there are none.

        The highest of many entries is an outlier in each bin where there are some, so in a WIDE one what is usual lies
        UPWARDS times as far above the mean as the lowest lies below it."""
        bins = self._known()
        heights = bins[:, HIGH]
        if self.width >= WIDE:
            means = bins[:, SUM] / bins[:, COUNT]
            heights = means + UPWARDS * (means - bins[:, LOW])
        return float(np.quantile(heights, USUAL)) if len(heights) else 0.0

    def clock(self) -> tuple[Numbers, Numbers]:
        """Steps, and the seconds of training until then: pauses within an attempt count, those between attempts do not."""
        known = np.vstack([self._bins[:, [LAST_X, SECONDS]], self._end])
        return known[:, 0], np.cumsum(known[:, 1])

    def pace(self) -> tuple[Numbers, Numbers]:
        """Steps, and the seconds that one took there, without what was done between steps; over LEAST_SECONDS at least."""
        bins = self._bins[self._bins[:, STEPS] > 0]
        parts = np.floor(np.cumsum(bins[:, AT_WORK]) / LEAST_SECONDS)
        ends = np.flatnonzero(np.diff(parts, prepend=0.0))  # what is not whole yet waits
        if not len(ends):
            return np.empty(0), np.empty(0)
        starts = np.append(0, ends[:-1] + 1)
        seconds, steps = (np.add.reduceat(bins[: ends[-1] + 1, column], starts) for column in (AT_WORK, STEPS))
        return bins[ends, LAST_X], seconds / steps

    def _known(self) -> Numbers:
        return self._bins[self._bins[:, COUNT] > 0]

    def _take(self, steps: Numbers, losses: Numbers, times: Numbers) -> None:
        begin = self.taken // self.width
        lead = self.taken - begin * self.width  # entries of the first bin that it has already
        rows = -(-(lead + len(steps)) // self.width)

        def by_bin(values: Numbers, empty: float) -> Numbers:
            whole = np.full((rows * self.width, *values.shape[1:]), empty)
            whole[lead : lead + len(values)] = values
            return whole.reshape(rows, self.width, *values.shape[1:])

        fresh = summed(by_bin(steps, 0.0), by_bin(losses, np.nan), by_bin(times, 0.0))
        if lead:
            fresh[:1] = merged(self._bins[begin : begin + 1], fresh[:1])
        self._bins = np.vstack([self._bins[:begin], fresh])
        self.taken += len(steps)
        while len(self._bins) > MOST:
            if len(self._bins) % 2:
                self._bins = np.vstack([self._bins, [EMPTY]])
            self._bins = merged(self._bins[::2], self._bins[1::2])
            self.width *= 2


def timed(curve: Curve, start: int, stop: int) -> Numbers:
    """(seconds since the entry before, those without pauses, the steps that took these) of some entries of a curve."""
    before = max(start - 1, 0)
    times, steps = (np.array(part[before:stop], dtype=np.float64) for part in (curve.times, curve.steps))
    if start == 0:  # its first entry has none before it
        times, steps = np.insert(times, 0, np.nan), np.insert(steps, 0, 0.0)
    seconds, done = np.diff(times), np.diff(steps)
    seconds[seconds < 0] = np.nan  # clocks are set back, twice a year at least
    seconds[within(curve.breaks, start, stop)] = np.nan
    is_work = np.isfinite(seconds)
    is_work[within(curve.pauses, start, stop)] = False
    return np.column_stack([np.nan_to_num(seconds), np.where(is_work, seconds, 0.0), np.where(is_work, done, 0.0)])


def within(entries: "array[int]", start: int, stop: int) -> npt.NDArray[np.int64]:
    """Those of the sorted entries that lie there, counted from `start`."""
    return np.array(entries[bisect_left(entries, start) : bisect_left(entries, stop)], dtype=np.int64) - start


def summed(x: Numbers, y: Numbers, times: Numbers) -> Numbers:
    """One bin for each row. What is not finite does not count."""
    known, rows = np.isfinite(y), np.arange(len(y))
    low, high = np.where(known, y, np.inf), np.where(known, y, -np.inf)
    at_low, at_high = low.argmin(axis=1), high.argmax(axis=1)
    extremes = (x[rows, at_low], low[rows, at_low], x[rows, at_high], high[rows, at_high], x.max(axis=1))
    return np.column_stack([*extremes, np.where(known, y, 0).sum(axis=1), known.sum(axis=1), times.sum(axis=1)])


def merged(one: Numbers, other: Numbers) -> Numbers:
    """Bins of twice the width, from neighbours."""
    low = np.where((one[:, LOW] <= other[:, LOW])[:, None], one[:, :2], other[:, :2])
    high = np.where((one[:, HIGH] >= other[:, HIGH])[:, None], one[:, 2:4], other[:, 2:4])
    last = np.maximum(one[:, LAST_X], other[:, LAST_X])
    return np.hstack([low, high, last[:, None], one[:, SUM:] + other[:, SUM:]])


_bins: WeakKeyDictionary[History, Bins] = WeakKeyDictionary()


def get_bins(history: History) -> Bins:
    """The bins of a history, up to date; shared by all who look, as the history is."""
    with history.lock:
        bins = _bins.setdefault(history, Bins())
        bins.update(history.curve)
        return bins
