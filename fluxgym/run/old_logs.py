"""The logs of earlier starts, in logs/<time>/: which there are, archiving that of an ended run now, deleting those of long ago.

What else an earlier start left there (LoRA files, states, samples, settings) is listed, and no deleting of logs touches it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.parts import list_parts
from fluxgym.run import lock
from fluxgym.run.archive import archive_logs
from fluxgym.run.folders import log_of
from fluxgym.run.launch import PATIENCE, RunError, RunIsActive, refuse_active, refuse_read_only
from trainer.folder import RunFolder

DAY = 86400.0  # s
PACKED = ".gz"


@dataclass(frozen=True)
class Archived:
    """What one earlier start left. `log` is where its log lies, or would: fluxgym.log reads it with its parts."""

    path: Path
    archived: float  # seconds since 1970
    log: Path
    monitor: Path
    size: int  # bytes of its logs, packed
    loras: int
    states: int
    samples: int

    @property
    def files(self) -> list[Path]:
        """Its logs that are there."""
        return [*list_parts(self.log), *(path for path in (self.monitor,) if path.is_file())]

    @property
    def keeps(self) -> str:
        """What it has beside its logs: '2 LoRA files, 1 state'; empty where that is nothing."""
        counts = ((self.loras, "LoRA file"), (self.states, "state"), (self.samples, "sample"))
        return ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for count, name in counts if count)


def list_archived(folder: RunFolder) -> list[Archived]:
    """Those of a run that have a log or anything else, the latest first."""
    try:
        paths = [path for path in folder.old_logs.iterdir() if path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [_look(path, folder) for path in paths if _read_time(path) is not None]
    return sorted(found, key=lambda archived: (archived.archived, len(archived.path.name), archived.path.name), reverse=True)


def find_moved(folder: RunFolder) -> Archived | None:
    """The log of this run, where it was archived after its end; a fresh start takes run.json along, and is another run."""
    if list_parts(log_of(folder)):
        return None
    latest = next(iter(list_archived(folder)), None)
    if latest is None or not list_parts(latest.log):
        return None
    return None if (latest.path / folder.record.name).exists() else latest


def archive_log(folder: RunFolder) -> Archived:
    """Moves the log of an ended run away now, with its parts and its monitor's. Raises RunIsActive, or RunError without one."""
    with _ended(folder):
        if not list_parts(folder.training_log):
            raise RunError(folder, f"{folder.name} has no {folder.training_log.name}, so there is nothing to archive")
        return _look(archive_logs(folder), folder)


def find_older(folder: RunFolder, days: float) -> list[Archived]:
    """Those with logs that were archived more than so many days ago; 0: all of them."""
    return [each for each in list_archived(folder) if each.files and time.time() - each.archived >= days * DAY]


def delete(folder: RunFolder, older_than_days: float = 0) -> list[Archived]:
    """Deletes the logs that find_older names, for good, and tells which. Raises RunIsActive while the run is under way."""
    with _ended(folder):
        found = find_older(folder, older_than_days)
        for archived in found:
            for path in archived.files:
                path.unlink()
            with suppress(OSError):  # it keeps what is no log
                archived.path.rmdir()
        if found:
            os.utime(folder.path)  # what is kept of a run holds as long as its folder is as it was
    return found


@contextmanager
def _ended(folder: RunFolder) -> Iterator[None]:
    """Nobody can start the run in here. Raises RunIsActive, or OnlyToRead."""
    refuse_read_only(folder)
    refuse_active(folder)
    try:
        with lock.hold(folder.lock, PATIENCE):
            refuse_active(folder, lock_is_ours=True)
            yield
    except lock.LockHeld as error:
        raise RunIsActive(folder, f"{folder.name} is under way, its supervisor holds {folder.lock.name}") from error


def _look(path: Path, folder: RunFolder) -> Archived:
    log, monitor = (path / f"{file.name}{PACKED}" for file in (folder.training_log, folder.monitor_log))
    files = [*list_parts(log), *(each for each in (monitor,) if each.is_file())]
    samples = path / folder.samples.name
    return Archived(
        path,
        _read_time(path) or 0.0,
        log,
        monitor,
        size=sum(file.stat().st_size for file in files),
        loras=len(list(path.glob("*.safetensors"))),
        states=len(list(path.glob("*-state"))),
        samples=len(list(samples.iterdir())) if samples.is_dir() else 0,
    )


def _read_time(path: Path) -> float | None:
    """Seconds since 1970 of logs/20261124-101500 or logs/20261124-101500-2; None for another folder."""
    try:
        return time.mktime(time.strptime(path.name[:15], "%Y%m%d-%H%M%S"))
    except (ValueError, OverflowError):
        return None
