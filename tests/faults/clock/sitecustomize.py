"""On PYTHONPATH, this sets the clock of every Python process: ahead by the seconds that the file FLUXGYM_TEST_CLOCK names.

Files written after it was set carry the new time, those of before the old one, as on a machine whose clock is set. What is
monotonic is left alone, as there.
"""

import os
import time
from collections.abc import Callable
from typing import Any

CLOCK = os.environ.get("FLUXGYM_TEST_CLOCK", "")
real_time, real_stat, real_fstat = time.time, os.stat, os.fstat
real_localtime, real_strftime = time.localtime, time.strftime


def ahead() -> tuple[float, float]:
    """Seconds ahead, and the real time at which they were set; files without a word leave the clock alone."""
    try:
        with open(CLOCK, "rb") as file:  # noqa: PTH123  Path looks at files by what is replaced here
            said = file.read().split()
        return float(said[0]), float(said[1])
    except (OSError, IndexError, ValueError):
        return 0.0, 0.0


def now() -> float:
    """time.time() on this machine."""
    return real_time() + ahead()[0]


def strftime(shape: str, moment: Any = None) -> str:
    """time.strftime() on this machine."""
    return real_strftime(shape, real_localtime(now()) if moment is None else moment)


def localtime(moment: float | None = None) -> time.struct_time:
    """time.localtime() on this machine."""
    return real_localtime(now() if moment is None else moment)


def dated(stat: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
    """A stat that tells the times of files as this machine's clock would have set them."""

    def told(*args: Any, **options: Any) -> os.stat_result:
        result = stat(*args, **options)
        seconds, since = ahead()
        if not seconds or result.st_mtime < since:
            return result
        fields, moment = list(result), result.st_mtime + seconds
        fields[8] = int(moment)
        exact = {"st_mtime_ns": result.st_mtime_ns + int(seconds * 1e9)}
        return os.stat_result([*fields, result.st_atime, moment, result.st_ctime], exact)

    return told


if CLOCK:
    time.time, time.strftime, time.localtime = now, strftime, localtime
    os.stat, os.fstat = dated(real_stat), dated(real_fstat)
