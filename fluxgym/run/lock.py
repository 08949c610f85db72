"""A lock is a file that somebody holds; the kernel frees it when its holder dies, however that happens.

run.lock: whoever holds it may write run.json. GPUs (fluxgym.run.places) and turns (fluxgym.run.queue) are held the same way.

The lock is on a file, not on a path: a folder that is deleted and made anew has another one. See Held.is_there. A file system
that knows no locks (Lustre without flock, say) leaves the heartbeat in the run's folder to say that somebody guards it: of two
that begin in the very same moment it stops neither.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RETRY = 0.02  # s
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # of a file system that has none, or whose server gives none


class LockHeld(OSError):
    """Somebody else holds the lock."""


@dataclass(frozen=True)
class Held:
    """A lock that we hold."""

    path: Path
    handle: int

    def is_there(self) -> bool:
        """Whether our file is still the one at the path. If not, the folder was deleted, moved or begun anew."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.handle))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a volume that cannot be reached for a while tells nothing
            return True

    def free(self) -> None:
        """Frees the lock at once, also where others inherited its handle."""
        fcntl.flock(self.handle, fcntl.LOCK_UN)

    def take_again(self) -> bool:
        """Holds the file that is at the path now, made anew where there is none; False where somebody else does."""
        there = take(self.path)
        if there:
            os.dup2(there.handle, self.handle, inheritable=False)
            os.close(there.handle)
        return there is not None


@contextlib.contextmanager
def hold(path: Path, patience: float) -> Iterator[Held]:
    """Holds the lock for the block. Raises LockHeld when it was not free within `patience` seconds.

    A little patience is always needed: a reader that asks is_held() holds the lock for an instant."""
    deadline = time.monotonic() + patience
    while (held := take(path)) is None:
        if time.monotonic() > deadline:
            raise LockHeld(f"{path} is held by another process")
        time.sleep(RETRY)
    try:
        yield held
    finally:
        os.close(held.handle)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now. Also true when the holder lives in another container and its pid is unknown here."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _flock(handle, fcntl.LOCK_SH)
    except OSError:  # where no lock can be taken, nobody holds one
        return _is_guarded(path)
    finally:
        os.close(handle)


def take(path: Path) -> Held | None:
    """The lock, where it is free, and where its file was not taken away while we took it. To be given back by os.close."""
    held = Held(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    is_ours = False
    try:
        is_ours = _flock(held.handle, fcntl.LOCK_EX) and held.is_there()
    except OSError as error:
        is_ours = error.errno in NO_LOCKS and not _is_guarded(path)
        if error.errno in NO_LOCKS:
            return held if is_ours else None
        why = f"{path} cannot be locked ({error.strerror}), expected a volume that knows flock; FLUXGYM_OUTPUTS names another"
        raise OSError(error.errno, why) from error
    finally:
        if not is_ours:
            os.close(held.handle)
    return held if is_ours else None


def _is_guarded(path: Path) -> bool:
    """Whether the heartbeat beside a lock is that of another process, which lives."""
    from fluxgym.run.beat import is_beating

    return is_beating(path.parent)


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
