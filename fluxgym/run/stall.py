"""Whether a training under way is well, slow or stuck: judged by its progress, against its own pace and the phase it is in.

Pure: it is told the time (monotonic), what the log says and what is seen from outside, and does nothing. So a recorded log can
be replayed through it, and no clock that is set can deceive it.

Progress is a step, where steps are made; elsewhere a line in the log. While a model is fetched or read, bytes that move and
processors at work are signs of life too, and so are other lines where steps are made, both up to a bound. There a busy GPU
proves nothing.
"""

import itertools
import math
import re
from dataclasses import dataclass

from fluxgym.log.history import History
from fluxgym.run.evidence import NOT_SEEN, Evidence, span, tell_state, tell_why_slow
from fluxgym.run.pace import Pace
from fluxgym.run.record import NAN, SLOW, STALLED, WELL

STARTING, FIRST_STEP, STEPS, BETWEEN, BROKEN, FINISHED = "starting", "first step", "training", "between", "broken", "finished"
COUNTED = 15.0  # s of silence that one look can tell of: when the machine or we slept, nobody knows what was not written
MOVED = 2**20  # bytes; fewer between two looks are no sign of life
PACES, PACES_BETWEEN, PACES_SAMPLING = 10, 100, 60  # steps' time that a silence may take: in an epoch, between two, to draw
LONGEST = 3  # times the longest such silence of this run
FEW_STEPS, FEW_STEPS_LIMIT = 5, 180.0  # s; the first steps of an attempt still warm up
UNKNOWN_BOUND = 24 * 3600.0  # s; where a log says nothing that is understood, what its processes do is all that is known
BUSY_LIMIT = 240.0  # s; a trainer that does not announce all that it does computes something, though it makes no step
SLOWER, NOT_SLOWER = 2.0, 1.5  # times its usual pace: to be called slow, and not slow any more
SEEN_TWICE = 2  # looks with new evidence: a training that sleeps may be awake at one by chance
SEEN_OFTEN = 3  # looks with new evidence until that alone is believed
BAR = re.compile(r"\d{1,3}%\|.{0,500}?\| *(\d+/\d+)")


@dataclass(frozen=True)
class Limit:
    """How long a phase may be silent, and for how long it may live on weaker signs than progress."""

    silence: float  # s
    bound: float  # s
    works: bool = False  # bytes that move are such a sign, and a CPU or GPU at work


LIMITS = {
    STARTING: Limit(600, 1800, works=True),
    "downloading": Limit(300, 6 * 3600, works=True),
    "loading": Limit(600, 3600, works=True),
    "caching": Limit(600, 3600, works=True),
    "compiling": Limit(1800, 1800),
    FIRST_STEP: Limit(1200, 3600),
    STEPS: Limit(45, 600),
    BETWEEN: Limit(300, 3600),
    "validating": Limit(600, 3600),
    "sampling": Limit(900, 3600),
    "saving": Limit(300, 1800),
    BROKEN: Limit(120, 600),
    FINISHED: Limit(math.inf, math.inf),  # a training that is done is never stuck
}
DOING = {
    STARTING: "while it starts",
    FIRST_STEP: "while it makes the first step",
    BETWEEN: "between two epochs",
    BROKEN: "since it failed; its process does not end",
}
OF_STEPS = (STEPS, BETWEEN, FIRST_STEP)  # only a step is progress


@dataclass(frozen=True)
class Finding:
    """What a look found. `limit`: how long this silence may last, in seconds."""

    verdict: str = WELL
    reason: str = ""
    limit: float = 0.0


class Judge:
    """Judges one attempt, look by look.

    `factor` multiplies all limits; `announces`: the trainer says in its log what it does, as ours does."""

    def __init__(self, factor: float = 1.0, announces: bool = True) -> None:
        self._factor, self._announces = factor, announces
        self._pace = Pace(factor)
        self.progressed = False  # since we look
        self._looked: float | None = None
        self._attempt, self._kind = -1, STARTING
        self._step: int | None = None
        self._version = -1
        self._bar, self._taken = "", 0.0  # of the last evidence
        self._quiet = self._age = 0.0  # s without any sign of life, s without progress
        self._steps = 0  # seen in this attempt
        self._since_step = 0.0  # s
        self._is_mixed = True  # more than steps was done since the last step
        self._slowest = 0.0  # s, of the steps
        self._longest: dict[str, float] = {}  # s, silence by kind
        self._is_slow = False
        self._spills = self._on_cpu = self._hungry = 0  # evidences in a row

    def look(self, now: float, history: History, evidence: Evidence | None = None) -> Finding:
        """`history` is up to date; `evidence` may be an older one, and is looked at once."""
        elapsed = 0.0 if self._looked is None else now - self._looked
        self._looked, self._is_mixed = now, self._is_mixed or elapsed > COUNTED
        elapsed = min(elapsed, COUNTED)
        self._quiet, self._age, self._since_step = self._quiet + elapsed, self._age + elapsed, self._since_step + elapsed
        new = evidence if evidence and evidence.taken > self._taken else None
        kind = _kind(history, self._steps)
        self._follow(kind, history, new)
        if evidence and not evidence.log_is_read:
            return Finding(WELL, "Its log was taken away or replaced, so whether it goes on cannot be seen.")
        limit = self._limit(kind, history, evidence)
        if self._quiet >= limit:
            return Finding(STALLED, self._tell_stall(kind, history, evidence), limit)
        if history.failure is not None and history.failure.kind == "nan":
            said = history.failure.message
            return Finding(NAN, f"{said[:1].upper()}{said[1:]}.", limit)
        return self._judge_pace(kind, evidence, new is not None, limit)

    # ---- what is progress ----------------------------------------------------------------------------------------
    def _follow(self, kind: str, history: History, new: Evidence | None) -> None:
        """Takes what changed since the last look."""
        if self._attempt != len(history.attempts):
            self._attempt, self._steps, self._is_mixed = len(history.attempts), 0, True
        made = history.step != self._step and history.step is not None and self._version >= 0
        has_lines = history.version != self._version
        has_bar = self._is_new_bar(new, history)
        is_first = self._version < 0
        is_other = kind != STEPS or self._kind != STEPS or (has_lines and not made)
        self._is_mixed = self._is_mixed or is_other
        if made:
            self._count_steps(history)
        if made or has_bar or kind != self._kind or (has_lines and kind not in OF_STEPS):
            self.progressed = self.progressed or not is_first
            self._hear_sign()
            self._age = 0.0
        elif self._age < self._bound(kind) and (has_lines or (LIMITS[kind].works and _works(new))):
            self._hear_sign()
        self._step, self._version, self._kind = history.step, history.version, kind

    def _hear_sign(self) -> None:
        """A silence is over."""
        self._longest[self._kind] = max(self._quiet, self._longest.get(self._kind, 0.0))
        self._quiet = 0.0

    def _count_steps(self, history: History) -> None:
        steps = (history.step or 0) - (self._step or 0)
        if steps > 0 and self._steps and not self._is_mixed:
            self._pace.add(self._since_step, steps)
            self._slowest = max(self._slowest, _longest_step(history, self._step or 0, self._since_step, steps))
        self._steps += max(steps, 1)
        self._since_step, self._is_mixed = 0.0, False

    def _is_new_bar(self, new: Evidence | None, history: History) -> bool:
        """Another bar than that of the steps goes on, such as that of a validation which nobody announced."""
        if new is None:
            return False
        bars = [bar for bar in BAR.findall(new.last_line) if bar != f"{history.step}/{history.total_steps}"]
        before, self._bar, self._taken = self._bar, bars[-1] if bars else "", new.taken
        return bool(bars) and before not in ("", self._bar)

    # ---- what is too long ----------------------------------------------------------------------------------------
    def _limit(self, kind: str, history: History, evidence: Evidence | None) -> float:
        """Seconds of silence from which on it is stuck."""
        limit, pace = LIMITS[kind].silence, self._pace.now() or history.seconds_per_step or 0.0
        longest = min(LONGEST * self._longest.get(kind, 0.0), LIMITS[kind].bound)
        if kind == STEPS:
            longest = min(2 * self._slowest, LIMITS[kind].bound)
            limit = max(limit, PACES * pace, FEW_STEPS_LIMIT if self._steps < FEW_STEPS else 0.0)
            if not self._announces and evidence and evidence.is_busy:
                limit = max(limit, BUSY_LIMIT)
        elif kind == BETWEEN:
            limit = max(limit, (PACES if longest else PACES_BETWEEN) * pace)
        elif kind == "sampling":
            limit = max(limit, PACES_SAMPLING * pace)
        return max(self._factor * max(limit, longest), 3 * pace)

    def _bound(self, kind: str) -> float:
        """Seconds for which weak signs of life are believed."""
        is_unknown = kind == STARTING and not self._announces
        return self._factor * (UNKNOWN_BOUND if is_unknown else LIMITS[kind].bound)

    def _tell_stall(self, kind: str, history: History, evidence: Evidence | None) -> str:
        what = "step" if kind in OF_STEPS else "line"
        said = f"No {what} for {span(self._age)}"
        if kind == STEPS:
            said += self._tell_usual(history)
        elif kind != STEPS and (kind != STARTING or self._announces):
            is_last = kind == BETWEEN and history.step == history.total_steps
            said += " after the last one" if is_last else f" {DOING.get(kind, f'while {kind}')}"
        return f"{said}. {tell_state(evidence) if evidence else ''}".rstrip()

    def _tell_usual(self, history: History) -> str:
        """How long a step took before. Stamps of whole seconds say 1 s of one that took a tenth, and then the mean is told."""
        pace = self._pace.now() or history.seconds_per_step
        if self._slowest > 1 or (self._slowest and (pace is None or pace >= 1)):
            return f"; the longest so far took {span(max(1.0, self._slowest))}"
        return f"; until then one took about {max(pace, 0.01):.1g} s" if pace else ""

    def _judge_pace(self, kind: str, evidence: Evidence | None, is_new: bool, limit: float) -> Finding:
        """Well or slow."""
        if evidence and is_new and kind == STEPS:
            self._spills = self._spills + 1 if evidence.is_spilling else 0
            self._on_cpu = self._on_cpu + 1 if evidence.is_on_cpu else 0
            self._hungry = self._hungry + 1 if evidence.wants_cpu else 0
        times, pace = self._pace.times_slower(), self._pace.now()
        if times is not None:
            self._is_slow = times >= (NOT_SLOWER if self._is_slow else SLOWER)
        if self._is_slow and times is not None:
            why = tell_why_slow(evidence, is_hungry=self._hungry >= SEEN_TWICE) if evidence else NOT_SEEN
            return Finding(SLOW, f"{times:.1f} times slower than at first: {why}.", limit)
        if self._spills >= SEEN_OFTEN:
            return Finding(SLOW, "GPU memory is spilling into RAM: it is full, and the GPU waits more than it computes.", limit)
        if self._on_cpu >= SEEN_OFTEN and pace is not None and pace >= 1:
            return Finding(SLOW, "It computes on the CPU, although there is a GPU.", limit)
        return Finding(limit=limit)


def _kind(history: History, steps: int) -> str:
    """What the training does now, as far as it makes a difference for how long it may take."""
    if history.finished:
        return FINISHED
    if history.failure is not None and history.failure.kind != "nan":
        return BROKEN
    phase = history.phase
    if phase != "training":
        return phase if phase in LIMITS else STARTING
    if history.curve.attempt_steps == 0 and steps < 2:
        return FIRST_STEP
    return BETWEEN if _is_between_epochs(history) else STEPS


def _is_between_epochs(history: History) -> bool:
    """At the end of an epoch, or before its first step: where trainers validate, save and start their loaders, unannounced."""
    if history.step is None or (history.total_steps is not None and history.step >= history.total_steps):
        return True
    if not history.epochs:
        return False
    first, length = history.epochs[-1][1], 0
    if len(history.epochs) > 1 and history.epochs[-1][0] == history.epochs[-2][0] + 1:
        length = first - history.epochs[-2][1]
    elif history.total_steps and history.total_epochs:
        length = -(-history.total_steps // history.total_epochs)
    return history.step < first or (length > 0 and history.step - first + 1 >= length)


def _longest_step(history: History, step: int, seconds: float, steps: int) -> float:
    """The longest of the last steps, by the log's stamps where they can be true: within the time that we saw pass."""
    with history.lock:
        times = [
            time
            for number, time in zip(history.steps[-steps - 1 :], history.times[-steps - 1 :], strict=True)
            if number >= step
        ]
    taken = [after - before for before, after in itertools.pairwise(times)]
    longest = max((each for each in taken if 0 <= each <= seconds), default=seconds / steps)
    return max(longest, seconds / steps)


def _works(new: Evidence | None) -> bool:
    return new is not None and ((new.moved or 0) >= MOVED or new.is_busy)
