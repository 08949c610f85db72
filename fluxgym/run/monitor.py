"""monitor.log: one evidence line every so often, and each action that the supervisor takes, with its time."""

import os
import time
from dataclasses import dataclass, field

from fluxgym.log.history import History
from fluxgym.run.family import Member, find_family
from fluxgym.run.identity import Identity
from trainer.folder import RunFolder


@dataclass
class Monitor:
    """Writes the monitor's log of one run, and reads the training's."""

    folder: RunFolder
    history: History = field(init=False)
    _cpu: tuple[float, float] | None = None  # s of CPU time that the family had used, at which monotonic time

    def __post_init__(self) -> None:
        self.history = History(self.folder.training_log, keep_curve=False)

    def note(self, text: str) -> None:
        """One line with its time. A log that cannot be written (a full disk, say) must not end the care for the training."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n"
        try:
            with self.folder.monitor_log.open("a", encoding="utf-8", errors="replace") as file:
                file.write(line)
        except OSError as error:
            print(f"monitor.log cannot be written: {error}", flush=True)

    def note_evidence(self, state: str, training: Identity) -> None:
        """What can be seen of the training now."""
        self.history.update()
        family = find_family(self.folder, training)
        history, memory = self.history, sum(member.stat.memory for member in family)
        step = f"{history.step or 0:,}/{history.total_steps:,}" if history.total_steps else "-"
        age = history.last_line_age_seconds
        evidence = [
            f"state {state}",
            f"phase {history.phase or '-'}",
            f"step {step}",
            f"last line {'-' if age is None else f'{age:.0f} s ago'}",
            f"cpu {self._cpu_percent(family)}",
            f"memory {memory / 2**20:,.0f} MiB in {len(family)} processes",
            f"process state {''.join(sorted({member.stat.state for member in family})) or '-'}",
            f"disk free {self._disk_free()}",
        ]
        self.note(", ".join(evidence))

    def _cpu_percent(self, family: list[Member]) -> str:
        """Of one core, since the last evidence; '-' the first time."""
        used, now = sum(member.stat.cpu_seconds for member in family), time.monotonic()
        before, self._cpu = self._cpu, (used, now)
        if before is None or now <= before[1]:
            return "-"
        return f"{max(0.0, used - before[0]) / (now - before[1]):.0%}"

    def _disk_free(self) -> str:
        try:
            disk = os.statvfs(self.folder.path)
        except OSError:
            return "-"
        return f"{disk.f_bavail * disk.f_frsize / 2**30:,.1f} GiB"
