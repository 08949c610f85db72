"""By which clock files are stamped: on a shared file system that is the server's or another machine's, not ours.

Nobody needs it on a disk of one's own. Where runs of other machines are looked at, `measure` asks the file system for its time
once in a while, with a file that is removed at once; `ours` then turns its stamps into times of our clock.
"""

import contextlib
import os
import time
from pathlib import Path

AGAIN = 600.0  # s until it is measured anew
SAME = 2.0  # s; the resolution of some file systems' stamps, and what a slow server takes to answer
_offsets: dict[int, tuple[float, float]] = {}  # by device: seconds that its clock is ahead of ours; monotonic time of that


def ours(stamp: float, device: int) -> float:
    """A file's stamp (s since 1970) by our clock, as far as the device's was measured."""
    return stamp - _offsets.get(device, (0.0, 0.0))[0]


def measure(folder: Path) -> None:
    """Learns how the clock of the file system that holds the folder stands. One that cannot be written is taken to be ours."""
    with contextlib.suppress(OSError):
        device = folder.stat().st_dev
        if device in _offsets and time.monotonic() < _offsets[device][1] + AGAIN:
            return
        path = folder / f".clock-{os.uname().nodename}-{os.getpid()}"
        try:
            before = time.time()
            path.touch(exist_ok=False)
            between = (before + time.time()) / 2
            ahead = path.stat().st_mtime - between
        finally:
            path.unlink(missing_ok=True)
        _offsets[device] = (ahead if abs(ahead) > SAME else 0.0, time.monotonic())
