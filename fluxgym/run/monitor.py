"""monitor.log: one evidence line every so often, and each action that the supervisor takes, with its time."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.log.history import History
from fluxgym.log.parts import list_parts
from fluxgym.log.tail import tail
from fluxgym.run.evidence import Evidence
from fluxgym.run.family import Member
from fluxgym.run.gpu import Gpu, list_gpus
from fluxgym.run.identity import Identity
from fluxgym.run.record import Attempt, Record
from trainer.folder import RunFolder

FULL = 4096  # bytes; with less than a page free no file grows


@dataclass
class Monitor:
    """Writes the monitor's log of one run, and reads the training's."""

    folder: RunFolder
    history: History = field(init=False)
    _used: dict[Identity, tuple[float, int]] = field(default_factory=dict)  # CPU seconds and bytes moved, at ...
    _looked: float | None = None  # ... which monotonic time

    def __post_init__(self) -> None:
        self.history = History(self.folder.training_log, keep_curve=False)

    def note(self, text: str) -> None:
        """One line with its time. A log that cannot be written (a full disk, say) must not end the care for the training."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n"
        try:
            with self.folder.monitor_log.open("a", encoding="utf-8", errors="replace") as file:
                file.write(line)
        except OSError as error:
            with contextlib.suppress(OSError):  # our output goes to the same disk
                print(f"monitor.log cannot be written: {error}", flush=True)

    def gather(self, attempt: Attempt, family: list[Member]) -> Evidence:
        """What can be seen of the training now. Raises OSError where its log cannot be read."""
        now = time.monotonic()
        seconds = now - self._looked if self._looked is not None else 0.0
        cpu, moved = self._measure(family)
        self._looked = now
        gpus = _gpus_of(attempt, {member.identity.pid for member in family})
        lines = tail(self.folder.training_log, 1).lines
        return Evidence(
            taken=now,
            cpu=cpu / seconds if seconds > 0 else None,
            moved=moved if seconds > 0 else None,
            seconds=seconds,
            memory=sum(member.stat.memory for member in family),
            states="".join(sorted({member.stat.state for member in family})),
            processes=len(family),
            disk_free=self._disk_free(),
            load=os.getloadavg()[0],
            cores=os.cpu_count() or 1,
            gpus=gpus,
            others=_strangers(gpus, {member.identity.pid for member in family}),
            last_line=lines[-1] if lines else "",
            log_is_read=self._is_read(attempt.training),
        )

    def note_evidence(self, record: Record, seen: Evidence) -> None:
        """One line of `key value, key value`; what is not known is '-'."""
        history = self.history
        step = f"{history.step or 0:,}/{history.total_steps:,}" if history.total_steps else "-"
        age = history.last_line_age_seconds
        rate = None if seen.moved is None else seen.moved / seen.seconds / 2**20
        evidence = [
            f"state {record.state}",
            f"health {record.health.verdict}",
            f"phase {history.phase or '-'}",
            f"step {step}",
            f"last line {'-' if age is None else f'{age:.0f} s ago'}",
            f"cpu {'-' if seen.cpu is None else f'{seen.cpu:.0%}'}",
            f"memory {seen.memory / 2**20:,.0f} MiB in {seen.processes} processes",
            f"process state {seen.states or '-'}",
            f"io {'-' if rate is None else f'{rate:,.1f} MiB/s'}",
            f"disk free {'-' if seen.disk_free is None else f'{seen.disk_free / 2**30:,.1f} GiB'}",
            *(line for gpu in seen.gpus for line in _describe(gpu)),
        ]
        self.note(", ".join(evidence))

    def _measure(self, family: list[Member]) -> tuple[float, int]:
        """CPU seconds used and bytes moved by the family since the last time; what ended in between is not counted."""
        before = self._used
        self._used = {each.identity: (each.stat.cpu_seconds, _bytes_moved(each.identity.pid)) for each in family}
        grown = [(now, before.get(identity, (0.0, 0))) for identity, now in self._used.items()]
        return sum(max(0.0, now[0] - old[0]) for now, old in grown), sum(max(0, now[1] - old[1]) for now, old in grown)

    @property
    def disk_is_full(self) -> bool:
        """Whether the disk of the run has no room for a page of its log."""
        free = self._disk_free()
        return free is not None and free < FULL

    def _disk_free(self) -> int | None:
        try:
            disk = os.statvfs(self.folder.path)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize

    def _is_read(self, training: Identity | None) -> bool:
        """Whether what the training writes goes into the log: into its file, or into the part that this has become. A launcher
        keeps to the part that it was started with."""
        output, log = Path(f"/proc/{training.pid if training else 0}/fd/1"), self.folder.training_log
        try:
            written = output.stat()
        except OSError:  # it closed its output, or is gone
            return True
        try:
            with contextlib.suppress(FileNotFoundError):  # as in the moment in which it is moved away
                if os.path.samestat(written, log.stat()):
                    return True
            # one that was moved, and packed, since we began to look is not the output any more
            return any(_is_at(part, written) for part in list_parts(log)) or not _is_at(output, written)
        except OSError:  # a volume that cannot be reached for a while tells nothing
            return True


def _is_at(path: Path, there: os.stat_result) -> bool:
    """Whether that is the file at the path, which may be gone."""
    try:
        return os.path.samestat(path.stat(), there)
    except FileNotFoundError:
        return False


def _bytes_moved(pid: int) -> int:
    """Read and written since its start: through calls, or from disk into mapped memory; 0 where the kernel does not tell."""
    try:
        said = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
        return max(int(said["rchar"]) + int(said["wchar"]), int(said["read_bytes"]) + int(said["write_bytes"]))
    except (OSError, ValueError, KeyError):
        return 0


def _gpus_of(attempt: Attempt, family: set[int]) -> tuple[Gpu, ...]:
    """The GPUs that the run has its turn on; without a turn those that it is seen on; else all."""
    gpus = list_gpus()
    placed = [gpu for gpu in gpus if f"GPU {gpu.index}" in attempt.places]
    seen = [gpu for gpu in gpus if family & {pid for pid, _ in gpu.processes}]
    if attempt.places and not placed:
        return ()
    return tuple(placed or seen or gpus)


def _strangers(gpus: tuple[Gpu, ...], family: set[int]) -> tuple[tuple[int, int | None], ...]:
    """Other programs on these GPUs. Only where the family is seen there too: else the pids are those of another container."""
    shared = [gpu for gpu in gpus if family & {pid for pid, _ in gpu.processes}]
    return tuple(process for gpu in shared for process in gpu.processes if process[0] not in family)


def _describe(gpu: Gpu) -> list[str]:
    """The evidence line's part of one GPU."""
    told = [
        ("use", "-" if gpu.use is None else f"{gpu.use}%"),
        ("memory", _of(gpu.memory_used, gpu.memory_total, 2**20, "MiB")),
        ("power", _of(gpu.power, gpu.power_limit, 1, "W")),
        ("temperature", "-" if gpu.temperature is None else f"{gpu.temperature} C"),
        ("throttled", " and ".join(gpu.throttled) or "-"),
    ]
    return [f"gpu {gpu.index} {key} {value}" for key, value in told]


def _of(used: float | None, total: float | None, unit: int, name: str) -> str:
    return "-" if used is None or total is None else f"{used / unit:,.0f}/{total / unit:,.0f} {name}"
