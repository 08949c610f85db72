"""What the monitor saw while a run trained, read from its monitor.log: GPU memory, use and temperature, CPU, and the alerts.

Read incrementally and kept in at most MOST rows, however many days the run takes. Standard library only.
"""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgym.log.follow import Source
from fluxgym.log.lines import LIMIT

MOST = 512  # rows; when there are more, two neighbours become one
MOST_ALERTS = 200  # the last ones are kept
LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*)")
ALERT = re.compile(r"health (stalled|slow|nan), (?:at step ([\d,]{1,15})|before the first step)(?:: (.*))?$")
ENDED = re.compile(r"(failed|lost): (.*)")
STEP = re.compile(r"step ([\d,]{1,15})/")
VALUE = re.compile(r"(cpu|memory|gpu \d{1,3} (?:use|memory|temperature)) ([\d,.]{1,20})(?:/([\d,.]{1,20}))?[% ]")


@dataclass(frozen=True)
class Alert:
    """Something that the monitor told: `kind` is stalled, slow, nan, failed or lost."""

    step: int
    kind: str
    text: str


@dataclass(frozen=True)
class Row:
    """The sums of `count` lines of evidence, and how many lines have each value.

    A name is as in the log: "cpu" (% of a core), "memory" (MiB), "gpu 0 use" (%), "gpu 0 memory" (MiB), "gpu 0 temperature"."""

    step: int  # of the last of them
    count: int
    sums: dict[str, tuple[float, int]]

    def mean(self, name: str) -> float | None:
        """Of one value; None where no line has it."""
        total, count = self.sums.get(name, (0.0, 0))
        return total / count if count else None


@dataclass
class Health:
    """A monitor's log so far. Hold `lock` while reading."""

    path: Path
    rows: list[Row] = field(default_factory=list)  # all but the last stand for `width` lines each
    alerts: list[Alert] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)  # each value as it was seen last
    totals: dict[str, float] = field(default_factory=dict)  # of memory, MiB
    peaks: dict[str, float] = field(default_factory=dict)
    version: int = 0  # grows with what is read
    width: int = 1  # lines

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._source, self._carry = Source(self.path), b""

    def update(self) -> None:
        """Reads what is new. A log that was begun anew is read from its beginning."""
        with self.lock:
            while True:
                data, is_new = self._source.read()
                if is_new:
                    self._forget()
                if not data:
                    return
                *lines, self._carry = (self._carry + data).split(b"\n")
                self._carry = self._carry[:LIMIT]
                for line in lines:
                    self._hear(line[:LIMIT].decode("utf-8", "replace"))
                self.version += 1

    def gpus(self) -> list[int]:
        """The numbers of the GPUs that were seen."""
        return sorted({int(name.split()[1]) for name in self.last if name.startswith("gpu ")})

    def _forget(self) -> None:
        self.rows, self.alerts, self.width, self._carry = [], [], 1, b""
        self.last, self.totals, self.peaks = {}, {}, {}

    def _hear(self, text: str) -> None:
        line = LINE.match(text)
        if line is None:
            return
        if line[2].startswith("state "):
            evidence = read_evidence(line[2])
            for name, (value, total) in evidence.values.items():
                self.last[name] = value
                self.peaks[name] = max(value, self.peaks.get(name, value))
                if total is not None:
                    self.totals[name] = total
            step = evidence.step if evidence.step is not None else self._last_step()
            self._add(Row(step, 1, {name: (value, 1) for name, (value, _) in evidence.values.items()}))
        elif alert := ALERT.match(line[2]):
            self._tell(Alert(_whole(alert[2] or "0"), alert[1], alert[3] or ""))
        elif ended := ENDED.match(line[2]):
            self._tell(Alert(self._last_step(), ended[1], ended[2]))

    def _tell(self, alert: Alert) -> None:
        self.alerts = [*self.alerts[1 - MOST_ALERTS :], alert]

    def _last_step(self) -> int:
        return self.rows[-1].step if self.rows else 0

    def _add(self, row: Row) -> None:
        if self.rows and self.rows[-1].count < self.width:
            self.rows[-1] = merged(self.rows[-1], row)
        else:
            self.rows.append(row)
        if len(self.rows) > MOST:  # an odd one stays alone, and takes what comes
            pairs = [merged(*self.rows[at : at + 2]) for at in range(0, len(self.rows) - 1, 2)]
            self.rows = pairs + self.rows[2 * len(pairs) :]
            self.width *= 2


@dataclass(frozen=True)
class Evidence:
    """One line of evidence: its values, and of a memory also how much there is."""

    step: int | None
    values: dict[str, tuple[float, float | None]]


def read_evidence(text: str) -> Evidence:
    """What a line says, without its time. What it does not know, or says in another way than today's monitor, is not there."""
    parts = [VALUE.match(f"{part} ") for part in text.split(", ")]
    step = STEP.search(text)
    known = {part[1]: (_number(part[2]), _number(part[3])) for part in parts if part}
    values = {name: (value, total) for name, (value, total) in known.items() if value is not None}
    return Evidence(_whole(step[1]) if step else None, values)


def merged(one: Row, later: Row) -> Row:
    """Both as one."""
    sums = dict(one.sums)
    for name, (total, count) in later.sums.items():
        before = sums.get(name, (0.0, 0))
        sums[name] = before[0] + total, before[1] + count
    return replace(later, count=one.count + later.count, sums=sums)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text.replace(",", ""))
    except ValueError:  # 1.2.3
        return None


def _whole(text: str) -> int:
    return int(text.replace(",", "") or 0)


MOST_KEPT = 64
_known: OrderedDict[Path, Health] = OrderedDict()
_lock = threading.Lock()


def leave_out_words(health: Health) -> Health:
    """The alerts by their kinds and steps alone: their words name files and processes."""
    return Health(health.path, alerts=[replace(alert, text="") for alert in health.alerts])


def get_health(monitor_log: Path) -> Health:
    """What a monitor's log says, up to date; one for the whole process, the least used are forgotten."""
    path = Path(monitor_log).absolute()
    with _lock:
        health = _known.pop(path, None) or Health(path)
        _known[path] = health
        while len(_known) > MOST_KEPT:
            _known.popitem(last=False)
    health.update()
    return health
