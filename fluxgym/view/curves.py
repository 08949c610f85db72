"""The losses of a run as arrays over a chosen axis: by step, by epoch or by the time that it trained."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fluxgym.log.history import History
from fluxgym.view.downsample import SMOOTHING, Numbers, get_bins

STEP, EPOCH, TIME = AXES = ("step", "epoch", "time")


@dataclass(frozen=True)
class Curves:
    """`x` is a step, epochs done (2.5: in the middle of the third) or seconds of training, as was asked for."""

    x: Numbers
    smooth: Numbers
    raw_x: Numbers  # each step, or the lowest and the highest of each bin
    raw: Numbers
    validation_x: Numbers
    validation: Numbers
    width: int  # steps that one point of the smooth line stands for
    span: float  # steps in which the smooth line keeps the weight of its smoothing, see Bins.smooth
    usual: float  # a height below which nearly all losses lie


class Axis:
    """Where a step lies on an axis; a straight line between the steps where that is known."""

    def __init__(self, history: History, kind: str = STEP):
        """Raises ValueError for an axis that there is not. Hold the history's lock."""
        if kind not in AXES:
            raise ValueError(f"got the axis {kind!r}, expected one of {', '.join(AXES)}")
        self.kind = kind
        find = {EPOCH: _find_epochs, TIME: _find_clock}.get(kind)
        self._steps, self._values = find(history) if find else (np.zeros(1), np.zeros(1))

    def __call__(self, steps: Any) -> Numbers:
        """Places of steps. An axis of which the log says nothing (it names no epochs, it has no clock) has them all at 0."""
        steps = np.asarray(steps, dtype=np.float64)
        return steps if self.kind == STEP else np.interp(steps, self._steps, self._values)


def read_curves(history: History, axis: str = STEP, smoothing: float = SMOOTHING, span: float | None = None) -> Curves:
    """The losses of a history that is up to date, at most some 1,000 points whatever its length.

    `smoothing`, 0 to below 1, is the weight that what was before keeps in each `span` steps, by default about a 512th of all.
    To smooth several runs alike, give all of them the largest `span` that they have by default."""
    with history.lock:
        bins, place = get_bins(history), Axis(history, axis)
        (raw_steps, raw), (steps, smooth) = bins.raw(), bins.smooth(smoothing, span)
        checked = np.array(history.validation, dtype=np.float64).reshape(-1, 2)
        checked_x = place(checked[:, 0])
        spans = bins.width, span or bins.span
        return Curves(place(steps), smooth, place(raw_steps), raw, checked_x, checked[:, 1], *spans, bins.usual())


def _find_clock(history: History) -> tuple[Numbers, Numbers]:
    steps, seconds = get_bins(history).clock()
    return np.append(0.0, steps), np.append(0.0, seconds)


def _find_epochs(history: History) -> tuple[Numbers, Numbers]:
    """Steps at which epochs begin, and how many are done there; the one under way is taken to be as long as those before."""
    marks = [(max(first - 1, 0), epoch - 1) for epoch, first in history.epochs]
    if not marks:
        return np.zeros(1), np.zeros(1)
    lengths = [later[0] - one[0] for one, later in pairwise(marks)]
    if history.total_steps and history.total_epochs:
        usual = history.total_steps / history.total_epochs
    else:
        usual = lengths[-1] if lengths else history.step or 1
    end = max(marks[-1][0] + usual, history.step or 0, marks[-1][0] + 1)
    steps, epochs = zip(*marks, (end, marks[-1][1] + 1), strict=True)
    return np.array(steps, dtype=np.float64), np.array(epochs, dtype=np.float64)
