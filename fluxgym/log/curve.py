"""The losses of a training by step, with its clock: how fast it goes, and the mean of each epoch."""

import math
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import mul
from typing import NamedTuple

WINDOW = 100  # steps over which the pace is measured ...
LEAST_SECONDS = 10  # ... or FARTHEST, where they took less than this: time stamps have whole seconds
FARTHEST = 1000


class Curve:
    """One entry for each distinct step, sorted; a step that is made again overwrites.

    Entries up to `end` belong to the training as it is; those behind were made by an attempt that was ahead of it."""

    def __init__(self) -> None:
        self.steps = array("q")
        self.losses = array("d")  # nan where no finite loss is known
        self.times = array("d")  # seconds, see Step.clock; nan where unknown
        self.end = 0
        self.rewinds = 0  # how often the training went back
        self.attempt_steps = 0  # steps and seconds of this attempt, pauses included
        self.attempt_seconds = 0.0
        self.pauses = array("q")  # entries before which more than a step was done, `breaks` among them
        self.breaks = array("q")  # entries of which is not known when they began: the first of an attempt, or the clock was set
        self._without_loss = 0
        self._is_paused = False
        self._is_fresh = True
        self._is_stamped = False

    @property
    def points(self) -> int:
        """How many steps have a finite loss."""
        return len(self.steps) - self._without_loss

    def begin_attempt(self) -> None:
        self.attempt_steps, self.attempt_seconds = 0, 0.0
        self._is_fresh = True

    def pause(self) -> None:
        """More than a step is done before the next one."""
        self._is_paused = True

    def skip_clock(self) -> None:
        """The clock was set before the next step: how long that took is not known."""
        self._is_fresh = True

    def add(self, step: int, loss: float, time: float, is_stamped: bool) -> None:
        """Takes one step; quickly, when it just follows."""
        is_usual = self.end == len(self.steps) and not self._is_paused and not self._is_fresh and self._is_stamped == is_stamped
        if not is_usual or step <= self.steps[-1]:
            return self.place(array("q", [step]), array("d", [loss]), array("d", [time]), is_stamped)
        taken = time - self.times[-1]
        if taken >= 0:
            self.attempt_steps += step - self.steps[-1]
            self.attempt_seconds += taken
        self.steps.append(step)
        self.losses.append(loss)
        self.times.append(time)
        self._without_loss += not math.isfinite(loss)
        self.end += 1
        return None

    def place(self, steps: "array[int]", losses: "array[float]", times: "array[float]", is_stamped: bool) -> None:
        """Takes consecutive steps. Of a step that is only drawn again, the first time counts and the last loss."""
        at = len(self.steps) if not self.steps or steps[0] > self.steps[-1] else bisect_left(self.steps, steps[0])
        is_refresh = 0 < at + 1 == self.end and not self._is_fresh and self.steps[at] == steps[0]
        if is_refresh:
            times[0] = self.times[at]
            self._measure(steps, times)
        else:
            self._go_on(at, steps, times, is_stamped)
        if at == len(self.steps):
            self.steps.extend(steps)
            self.losses.extend(losses)
            self.times.extend(times)
        else:
            stop = bisect_right(self.steps, steps[-1], at)
            self._without_loss -= count_unknown(self.losses[at:stop])
            self.steps[at:stop], self.losses[at:stop], self.times[at:stop] = steps, losses, times
        self._without_loss += count_unknown(losses)
        self.end = at + len(steps)

    def keep_last(self, entries: int) -> None:
        """Drops what the pace does not need any more, now and then: at most twice as many entries stay."""
        drop = self.end - entries
        if drop > entries or len(self.steps) > self.end:
            drop = max(0, drop)
            kept = slice(drop, self.end)
            self.steps, self.losses, self.times = self.steps[kept], self.losses[kept], self.times[kept]
            self._without_loss = count_unknown(self.losses)
            self.pauses = array("q", (pause - drop for pause in self.pauses if pause >= drop))
            self.breaks = array("q", (entry - drop for entry in self.breaks if entry >= drop))
            self.end = len(self.steps)

    def _go_on(self, at: int, steps: "array[int]", times: "array[float]", is_stamped: bool) -> None:
        """Keeps the clock when steps are placed that were not there in this attempt."""
        is_next = at == self.end and not self._is_fresh and is_stamped == self._is_stamped
        if at < self.end:
            self.rewinds += 1
        for entries in (self.pauses, self.breaks):
            while entries and entries[-1] >= at:
                entries.pop()
        if self._is_paused or not is_next:
            self.pauses.append(at)
        if not is_next:
            self.breaks.append(at)
        if is_next and at > 0:
            self._measure(array("q", [self.steps[at - 1], steps[0]]), array("d", [self.times[at - 1], times[0]]))
        self._measure(steps, times)
        self._is_paused = self._is_fresh = False
        self._is_stamped = is_stamped

    def _measure(self, steps: "array[int]", times: "array[float]") -> None:
        if len(steps) > 1 and times[-1] >= times[0]:
            self.attempt_steps += steps[-1] - steps[0]
            self.attempt_seconds += times[-1] - times[0]

    def seconds_per_step(self) -> float | None:
        """The pace of the last steps, without what was done between them."""
        seconds, done, pause = 0.0, 0, len(self.pauses) - 1
        for entry in range(self.end - 1, max(0, self.end - 1 - FARTHEST), -1):
            if entry == self.end - 1 - WINDOW and seconds >= LEAST_SECONDS:
                break
            while pause >= 0 and self.pauses[pause] > entry:
                pause -= 1
            taken = self.times[entry] - self.times[entry - 1]
            if taken >= 0 and (pause < 0 or self.pauses[pause] != entry):  # clocks are set back, twice a year at least
                seconds += taken
                done += self.steps[entry] - self.steps[entry - 1]
        return seconds / done if seconds > 0 else None

    def eta_seconds(self, remaining: int) -> float | None:
        """Time that `remaining` steps take, going by this attempt with all that it does between its steps."""
        if remaining <= 0:
            return 0.0
        return remaining * self.attempt_seconds / self.attempt_steps if self.attempt_seconds > 0 else None


def count_unknown(losses: "array[float]") -> int:
    """How many are not finite. A finite sum has finite terms, which is the usual case."""
    return 0 if math.isfinite(sum(losses)) else sum(not math.isfinite(loss) for loss in losses)


class EpochMean(NamedTuple):
    """The losses of an epoch: `spread` is their standard deviation."""

    epoch: int
    mean: float
    is_complete: bool
    spread: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Of finite losses: how many, their sum, and the sum of their squares."""

    count: int = 0
    first: float = 0.0
    second: float = 0.0

    @classmethod
    def of(cls, losses: "array[float]") -> "Sums":
        known = losses if not count_unknown(losses) else array("d", filter(math.isfinite, losses))
        return cls(len(known), math.fsum(known), math.fsum(map(mul, known, known)))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.count + other.count, self.first + other.first, self.second + other.second)

    def tell(self, epoch: int, is_complete: bool) -> list[EpochMean]:
        """What they say of an epoch; nothing where there is no loss."""
        if not self.count:
            return []
        mean = self.first / self.count
        return [EpochMean(epoch, mean, is_complete, math.sqrt(max(0.0, self.second / self.count - mean * mean)))]


class EpochMeans:
    """The mean loss of each epoch. What is over is summed once, so that a look costs the same in a long training."""

    def __init__(self) -> None:
        self._rewinds = 0
        self._marks: list[tuple[int, int]] = []
        self._over: list[EpochMean] = []  # of all marks but the last
        self._entry, self._sums = 0, Sums()  # of the last mark: where it is summed to, and what that gave

    def read(self, curve: Curve, epochs: list[tuple[int, int]], is_over: bool) -> list[EpochMean]:
        """One of each epoch that has a loss. `epochs` holds (epoch, first step)."""
        if curve.rewinds != self._rewinds or self._marks != epochs[: len(self._marks)]:
            self.__init__()  # type: ignore[misc]
            self._rewinds = curve.rewinds
        for epoch, first in epochs[len(self._marks) :]:
            start = bisect_left(curve.steps, first, 0, curve.end)
            if self._marks:
                self._add(curve, start)
                self._over += self._sums.tell(self._marks[-1][0], is_complete=True)
            self._entry, self._sums = start, Sums()
            self._marks.append((epoch, first))
        if not self._marks:
            return []
        self._add(curve, max(self._entry, curve.end - 1))  # the last step may still be drawn again
        sums = self._sums + Sums.of(curve.losses[self._entry : curve.end])
        return self._over + sums.tell(self._marks[-1][0], is_over)

    def _add(self, curve: Curve, stop: int) -> None:
        self._sums += Sums.of(curve.losses[self._entry : stop])
        self._entry = max(stop, self._entry)
