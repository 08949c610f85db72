"""run.lock: whoever holds it may write run.json. The kernel frees it when its holder dies, however that happens."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

RETRY = 0.02  # s


class LockHeld(OSError):
    """Somebody else holds the lock."""


@contextlib.contextmanager
def hold(path: Path, patience: float) -> Iterator[None]:
    """Holds the lock for the block. Raises LockHeld when it was not free within `patience` seconds.

    A little patience is always needed: a reader that asks is_held() holds the lock for an instant."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + patience
        while not _take(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise LockHeld(f"{path} is held by another process")
            time.sleep(RETRY)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now. Also true when the holder lives in another container and its pid is unknown here."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _take(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
