"""The heartbeat of a supervisor: how another machine knows that it lives, where locks do not tell or pids mean nothing.

A file in the run's folder that is written every few seconds. How long ago that was is told by the clock of the file system
alone, so the clocks of the two machines may differ; by how much the beat tells as well, since it holds its writer's time.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log import disk_clock
from fluxgym.run.identity import Identity, boot_age, boot_id, host_name
from trainer.folder import RunFolder

EVERY = 5.0  # s
SILENT_AFTER = 60.0  # s without a beat, after which it is not taken for alive; FLUXGYM_SILENT_AFTER changes it
SIZE = 256  # bytes, always as many, so that nobody reads the half of it


@dataclass(frozen=True)
class Beat:
    """What was heard of a supervisor last."""

    host: str
    pid: int
    age: float  # s
    ahead: float  # s that its clock is ahead of ours
    boot: str = ""  # as in an Identity; empty: of a supervisor that did not tell

    @property
    def is_fresh(self) -> bool:
        return self.age < silent_after()

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is of another machine or container. One of the same name is another where it beat while we were up
        already: else it may have been this one, before a restart."""
        if not self.boot:
            return self.host != host_name()
        return self.boot != boot_id() and (self.host != host_name() or self.age + disk_clock.SAME < boot_age())


class Heart:
    """Beats for one supervisor. What cannot be written (a full disk, say) is left out: others are then only told less."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self._next = folder, 0.0

    def beat(self) -> None:
        """To be called often; writes only every few seconds."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        said = (
            json.dumps({"host": host_name(), "pid": os.getpid(), "time": time.time(), "boot": boot_id()}).encode().ljust(SIZE)
        )
        try:
            handle = os.open(self.folder.heartbeat, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(handle, said, 0)
            finally:
                os.close(handle)  # on NFS this is when others see it
        except OSError:
            return

    def stop(self) -> None:
        """Nobody is to be listened for any more."""
        try:
            self.folder.heartbeat.unlink(missing_ok=True)
        except OSError:
            return


def read_beat(folder: RunFolder) -> Beat | None:
    """None where there never was one, or it cannot be read."""
    try:
        disk_clock.measure(folder.path.parent)
        with folder.heartbeat.open("rb") as file:  # opened, for NFS asks the server anew only then
            there = os.fstat(file.fileno())
            said = json.loads(file.read(2 * SIZE))
        written = disk_clock.ours(there.st_mtime, there.st_dev)
        age, ahead = max(0.0, time.time() - written), float(said["time"]) - written
        return Beat(str(said["host"]), int(said["pid"]), age, ahead, str(said.get("boot", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hear(folder: RunFolder, supervisor: Identity | None) -> Beat | None:
    """The last beat of a supervisor on another machine, fresh or not. None: it is of this machine, or left no beat."""
    if supervisor is None or supervisor.is_of_this_boot:
        return None
    beat = read_beat(folder)
    if beat is None or not beat.is_elsewhere or (beat.host, beat.pid) != (supervisor.host, supervisor.pid):
        return None
    return beat if beat.boot in ("", supervisor.boot_id) else None


def is_beating(path: Path) -> bool:
    """Whether another process than ours guards the run in this folder, by its beat alone."""
    beat = read_beat(RunFolder(path))
    if beat is None or not beat.is_fresh:
        return False
    if beat.is_elsewhere:
        return True
    if beat.boot not in ("", boot_id()):  # this machine restarted
        return False
    return beat.pid != os.getpid() and Identity.of(beat.pid) is not None  # its pid may be a stranger's by now


def silent_after() -> float:
    """Seconds without a sign of life, after which none is taken for granted."""
    try:
        return float(os.environ.get("FLUXGYM_SILENT_AFTER") or SILENT_AFTER)
    except ValueError:
        return SILENT_AFTER
