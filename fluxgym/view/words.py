"""Numbers as people read them. What is not known is "-", never 0."""

import math
import time

UNKNOWN = "-"
MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds


def loss4(loss: float | None) -> str:
    """0.2681, or NaN, which it is while the training diverges"""
    if loss is None:
        return UNKNOWN
    return f"{loss:.4f}" if math.isfinite(loss) else "NaN"


def steps(count: int | None) -> str:
    """1,520"""
    return UNKNOWN if count is None else f"{count:,}"


def learning_rate(lr: float | None) -> str:
    """1e-04"""
    return UNKNOWN if lr is None else f"{lr:.1e}".replace(".0e", "e")


def rate(seconds_per_step: float | None) -> str:
    """1.98 s/step, or 11.2 steps/s where that is easier to read"""
    if seconds_per_step is None or seconds_per_step <= 0:
        return UNKNOWN
    return f"{seconds_per_step:.2f} s/step" if seconds_per_step >= 0.5 else f"{1 / seconds_per_step:.1f} steps/s"


def duration(seconds: float | None) -> str:
    """40 s, 23 m, 1 h 10 m, 2 d 3 h"""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < MINUTE - 0.5:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / MINUTE)
    if minutes < 60:
        return f"{minutes} m"
    hours = round(seconds / HOUR)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} m" if minutes % 60 else f"{minutes // 60} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def left(seconds: float) -> str:
    """about 23 m left, almost done"""
    return f"about {duration(seconds)} left" if seconds >= 1 else "almost done"


def age(seconds: float | None) -> str:
    """2 s ago, 12 m ago, 3 h ago, 2 d ago"""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    unit, name = next((pair for pair in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")) if seconds >= pair[0]), (1, "s"))
    return f"{max(seconds, 0) // unit:.0f} {name} ago"


def clock(when: float, now: float | None = None) -> str:
    """Local time of day of a moment near `now`: 10:39, Sat 10:39, 28 Nov 10:39"""
    now = time.time() if now is None else now
    local, today = time.localtime(when), time.localtime(now)
    if local[:3] == today[:3]:
        return time.strftime("%H:%M", local)
    return time.strftime("%a %H:%M" if abs(when - now) < 6 * DAY else "%-d %b %H:%M", local)


def size(count: int | None) -> str:
    """Bytes with binary units: 512 B, 186 KiB, 21.3 GiB"""
    if count is None:
        return UNKNOWN
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1023.95 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] in ("B", "KiB") else f"{value:.1f} {units[0]}"


def plural(count: int, word: str) -> str:
    """1 step, 1,520 steps"""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
