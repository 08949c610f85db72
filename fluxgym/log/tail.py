"""The last lines of a file of any size: seeks from the end, never reads the whole."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.log.lines import end_of_whole, show_line

BLOCK = 64 * 1024  # bytes of one step backwards
MOST = 8 * 1024 * 1024  # bytes looked at in all; only endless lines need more


@dataclass(frozen=True)
class Tail:
    """The end of a file. `size` is where it ends: a Follower that starts there misses nothing."""

    lines: list[str] = field(default_factory=list)
    size: int = 0  # bytes
    age_seconds: float | None = None  # since the last write; None where there is no file


def tail(path: Path, lines: int = 100, only_whole: bool = False) -> Tail:
    """The last `lines` lines, ready for the eye (see show_line). With `only_whole` it ends before an unfinished last line."""
    try:
        file = path.open("rb", buffering=0)
    except (FileNotFoundError, NotADirectoryError):
        return Tail()
    with file:
        size = file.seek(0, 2)
        start, blocks, newlines = size, [b""], 0
        while start > 0 and newlines <= lines and size - start < MOST:
            length = min(BLOCK, start)
            start -= length
            file.seek(start)
            blocks.append(file.read(length))
            newlines += blocks[-1].count(b"\n")
        age = max(0.0, time.time() - path.stat().st_mtime) if path.exists() else None
    data = b"".join(reversed(blocks))
    if only_whole and ((end := end_of_whole(data)) or not start):
        data, size = data[:end], size - len(data) + end
    raw = data.split(b"\n")
    if raw[-1] == b"":
        raw.pop()
    shown = [show_line(line) for line in raw[-lines:]] if lines > 0 else []
    if start > 0 and shown and len(raw) <= lines and b"\r" not in raw[0].rstrip(b"\r"):  # a bar's last state is whole
        shown[0] = f"... (+{len(raw[0]):,} bytes, the end of a line; only the last {size - start:,} bytes were looked at)"
    return Tail(shown, size, age)
