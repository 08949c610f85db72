"""The partitions of the cluster, to choose from. Asked for by a thread: a cluster that does not answer holds up no page."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fluxgym.run.slurm_ask import Silent, call
from fluxgym.view import words
from trainer.slurm import read_time_limit

KEPT = 60.0  # s
FIRST = 1.0  # s that the first one who asks waits; Slurm in good health answers in hundredths
COLUMNS = "%P|%a|%l|%D|%G|%T"
AWAY = re.compile("(?:down|drain|fail|maint|unknown|inval|power|future|reboot)")  # states of a node that takes no job now
GPUS = re.compile(r"gpu(?::[^:(,]+)?:(\d+)")


@dataclass(frozen=True)
class Partition:
    """One of them, as sinfo tells it."""

    name: str
    is_default: bool = False
    is_up: bool = True
    time_limit: float | None = None  # s, of one job
    nodes: int = 0
    gpus: int = 0  # of the node that has most
    away: int = 0  # nodes that take no job now: down, drained ...

    def __str__(self) -> str:
        """main: 12 nodes with 4 GPUs each, up to 2 d"""
        each = " each" if self.nodes > 1 else ""
        gpus = f" with {words.plural(self.gpus, 'GPU')}{each}" if self.gpus else " without GPUs"
        limit = f", up to {words.duration(self.time_limit)}" if self.time_limit else ""
        away = f" ({self.away:,} not there now)" if self.away else ""
        return f"{self.name}: {words.plural(self.nodes, 'node')}{away}{gpus}{limit}{'' if self.is_up else ', closed now'}"


class _Asked:
    """What was told last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Partition] = []
        self._at = -KEPT  # monotonic
        self._thread: threading.Thread | None = None

    def look(self) -> list[Partition]:
        """Waits only the first time, and not for long."""
        now, waits = time.monotonic(), None
        with self._lock:
            if now - self._at >= KEPT and not (self._thread and self._thread.is_alive()):
                is_first, self._at = self._thread is None, now
                self._thread = threading.Thread(target=self._ask, daemon=True)
                self._thread.start()
                waits = self._thread if is_first else None
        if waits:
            waits.join(FIRST)
        return self._found

    def _ask(self) -> None:
        found = ask()
        with self._lock:
            self._found = found or self._found


_asked = _Asked()


def list_partitions() -> list[Partition]:
    """Those of the last minute, the cluster's default first; empty where Slurm has not answered."""
    return _asked.look()


def ask() -> list[Partition]:
    """As Slurm tells them now; empty where it does not answer."""
    try:
        code, said, _ = call(["sinfo", "--noheader", f"--format={COLUMNS}"])
    except Silent:
        return []
    found: dict[str, Partition] = {}
    for line in said.splitlines() if not code else []:
        parts = line.strip().split("|")
        if len(parts) == COLUMNS.count("|") + 1:
            row = _read(*parts)
            before = found.get(row.name)
            found[row.name] = _join(before, row) if before else row
    return sorted(found.values(), key=lambda each: not each.is_default)


def _join(one: Partition, other: Partition) -> Partition:
    """Two lines about the same one, whose nodes differ."""
    most = max(one.gpus, other.gpus)
    return replace(one, nodes=one.nodes + other.nodes, away=one.away + other.away, gpus=most)


def _read(name: str, state: str, limit: str, nodes: str, gres: str, node_state: str) -> Partition:
    try:
        seconds = read_time_limit(limit)
    except ValueError:  # n/a
        seconds = None
    gpus = sum(int(count) for count in GPUS.findall(gres))
    count = int(nodes) if nodes.isdecimal() else 0
    away = count if AWAY.match(node_state) else 0
    return Partition(name.rstrip("*"), name.endswith("*"), state == "up", seconds, count, gpus, away)


def find_partition(found: Sequence[Partition], name: str) -> Partition | None:
    """The one of this name, or the default for none; None where it is not among them."""
    return next((each for each in found if each.name == name or (not name and each.is_default)), None)
