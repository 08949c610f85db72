"""The loss curve in at most MOST bins: lowest and highest of each, so that no spike is lost, and the mean for the smooth line.

Kept incrementally: a look at a curve of a million steps costs the same as one of a thousand. A bin is a power of two wide
and begins at a multiple of its width, so that points stay where they are while the curve grows.
"""

from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from fluxgym.log.curve import Curve
from fluxgym.log.history import History

MOST = 512
PIECE = 1 << 18  # entries taken at once when there is much to catch up
SMOOTH = 32  # the smooth line looks back over about this part of the curve ...
LEAST_SMOOTH = 8  # ... or this many entries
LOW_X, LOW, HIGH_X, HIGH, SUM, COUNT = range(6)  # columns of the bins
Numbers = npt.NDArray[np.float64]


class Bins:
    """The bins of one history. The last entry is not in them: its bar may be drawn again with another loss."""

    def __init__(self) -> None:
        self.last: tuple[float, float] | None = None  # step and loss of the last entry, where it has one
        self._begin(Curve())

    def _begin(self, curve: Curve) -> None:
        self.width = 1  # entries
        self.taken = 0  # entries
        self._bins = np.empty((0, 6))
        self._curve, self._rewinds = curve, curve.rewinds

    def update(self, curve: Curve) -> None:
        """Takes what is new; begins anew when the training went back. Hold the history's lock."""
        if curve is not self._curve or curve.rewinds != self._rewinds:
            self._begin(curve)
        while self.taken < curve.end - 1:
            piece = slice(self.taken, min(curve.end - 1, self.taken + PIECE))
            self._take(np.array(curve.steps[piece], dtype=np.float64), np.array(curve.losses[piece]))
        self.last = None
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

    def smooth(self) -> tuple[Numbers, Numbers]:
        """Steps and smoothed losses: an exponential mean over the bins' means, without the pull of its beginning."""
        bins = self._known()
        counts, sums = bins[:, COUNT], bins[:, SUM]
        steps = np.maximum(bins[:, LOW_X], bins[:, HIGH_X])
        if self.last:
            counts, sums, steps = np.append(counts, 1), np.append(sums, self.last[1]), np.append(steps, self.last[0])
        reach = max(LEAST_SMOOTH, 2 ** (max(self.taken, 1) // SMOOTH).bit_length() // 2)
        kept = np.exp(-counts / reach)
        values, mean, weight = np.empty(len(counts)), 0.0, 0.0
        for number, (keep, value) in enumerate(zip(kept.tolist(), (sums / counts).tolist(), strict=True)):
            mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
            values[number] = mean / weight
        return steps, values

    def _known(self) -> Numbers:
        return self._bins[self._bins[:, COUNT] > 0]

    def _take(self, steps: Numbers, losses: Numbers) -> None:
        begin = self.taken // self.width
        lead = self.taken - begin * self.width  # entries of the first bin that it has already
        rows = -(-(lead + len(steps)) // self.width)
        x, y = np.zeros(rows * self.width), np.full(rows * self.width, np.nan)
        x[lead : lead + len(steps)], y[lead : lead + len(steps)] = steps, losses
        fresh = summed(x.reshape(rows, self.width), y.reshape(rows, self.width))
        if lead:
            fresh[:1] = merged(self._bins[begin : begin + 1], fresh[:1])
        self._bins = np.vstack([self._bins[:begin], fresh])
        self.taken += len(steps)
        while len(self._bins) > MOST:
            if len(self._bins) % 2:
                self._bins = np.vstack([self._bins, [EMPTY]])
            self._bins = merged(self._bins[::2], self._bins[1::2])
            self.width *= 2


EMPTY = (0.0, np.inf, 0.0, -np.inf, 0.0, 0.0)


def summed(x: Numbers, y: Numbers) -> Numbers:
    """One bin for each row. What is not finite does not count."""
    known, rows = np.isfinite(y), np.arange(len(y))
    low, high = np.where(known, y, np.inf), np.where(known, y, -np.inf)
    at_low, at_high = low.argmin(axis=1), high.argmax(axis=1)
    columns = (x[rows, at_low], low[rows, at_low], x[rows, at_high], high[rows, at_high])
    return np.column_stack([*columns, np.where(known, y, 0).sum(axis=1), known.sum(axis=1)])


def merged(one: Numbers, other: Numbers) -> Numbers:
    """Bins of twice the width, from neighbours."""
    low = np.where((one[:, LOW] <= other[:, LOW])[:, None], one[:, :2], other[:, :2])
    high = np.where((one[:, HIGH] >= other[:, HIGH])[:, None], one[:, 2:4], other[:, 2:4])
    return np.hstack([low, high, one[:, 4:] + other[:, 4:]])


_bins: WeakKeyDictionary[History, Bins] = WeakKeyDictionary()


def get_bins(history: History) -> Bins:
    """The bins of a history, up to date; shared by all who look, as the history is."""
    with history.lock:
        bins = _bins.setdefault(history, Bins())
        bins.update(history.curve)
        return bins
