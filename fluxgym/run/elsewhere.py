"""What can be known here of a run that is guarded on another machine, or inside a job of a cluster.

Neither its processes can be seen from here, nor, on some file systems, its locks. Its supervisor's beat tells that it lives,
its scheduler that its job does. Where both are missing, a log that is still written forbids to call it over.
"""

import os
import time
from dataclasses import dataclass

from fluxgym.run.beat import EVERY, Beat, hear, silent_after
from fluxgym.run.record import Record
from trainer.folder import RunFolder

LISTEN, LOOK_EVERY = 3 * EVERY, 0.5  # s
LONGER = 2  # times as long as a supervisor may a training be silent, which may sample or save


@dataclass(frozen=True)
class Signs:
    """The signs of life of a run whose supervisor is on another machine."""

    host: str
    beat: Beat | None
    log_age: float | None  # s; None: there is no log

    @property
    def is_guarded(self) -> bool:
        return self.beat is not None and self.beat.is_fresh

    @property
    def may_train(self) -> bool:
        """Whether its training may go on though nothing is heard of its supervisor."""
        ages = [age for age in (self.log_age, self.beat.age if self.beat else None) if age is not None]
        return bool(ages) and min(ages) < LONGER * silent_after()


def find_signs(folder: RunFolder, record: Record) -> Signs | None:
    """None: its supervisor was started on this machine, or there was none yet. One on another machine of the same name is
    known by its beat."""
    supervisor = record.supervisor
    beat = hear(folder, supervisor)  # asks the file system for its time first, so that the log's age is right
    if supervisor is None or not (supervisor.is_elsewhere or beat):
        return None
    return Signs(supervisor.host, beat, _age(folder))


def is_heard(folder: RunFolder) -> bool:
    """Listens for some beats, whether one comes or the log grows. No clock has a say in it, so this is certain, and slow."""
    deadline = time.monotonic() + min(LISTEN, silent_after())
    before = _look(folder)
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        if _look(folder) != before:
            return True
    return False


def _look(folder: RunFolder) -> tuple[object, ...]:
    seen: list[object] = []
    for path in (folder.heartbeat, folder.training_log):
        try:
            with path.open("rb") as file:  # on NFS this asks the server
                there = os.fstat(file.fileno())
        except OSError:
            seen.append(None)
        else:
            seen.append((there.st_ino, there.st_size, there.st_mtime_ns))
    return tuple(seen)


def _age(folder: RunFolder) -> float | None:
    from fluxgym.log.disk_clock import ours

    try:
        there = folder.training_log.stat()
    except OSError:
        return None
    return max(0.0, time.time() - ours(there.st_mtime, there.st_dev))
