"""On PYTHONPATH, this takes locks away from every Python process, below the folder that FLUXGYM_TEST_NO_LOCKS names: as a file
system does that knows none."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("FLUXGYM_TEST_NO_LOCKS", "")
real_flock = fcntl.flock


def flock(handle: Any, kind: int) -> None:
    """fcntl.flock on this machine."""
    number = handle if isinstance(handle, int) else handle.fileno()
    if Path(f"/proc/self/fd/{number}").readlink().is_relative_to(FOLDER):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    real_flock(handle, kind)


if FOLDER:
    fcntl.flock = flock
