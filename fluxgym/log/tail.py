"""The last lines of a log of any size: seeks from the end, never reads the whole, and goes back into its parts."""

import time
from dataclasses import dataclass, field
from functools import lru_cache
from io import FileIO
from pathlib import Path

from fluxgym.log.disk_clock import ours
from fluxgym.log.lines import end_of_whole, show_line
from fluxgym.log.parts import check_file, find_parts, is_packed, list_parts, open_part, read_part

BLOCK = 64 * 1024  # bytes of one step backwards
MOST = 8 * 1024 * 1024  # bytes looked at in all; only endless lines need more
KEPT = 1024 * 1024  # bytes of the end of a packed part, which can only be read from its beginning


@dataclass(frozen=True)
class Tail:
    """The end of a log. `size` is where its file ends: a Follower that starts there misses nothing."""

    lines: list[str] = field(default_factory=list)
    size: int = 0  # bytes
    age_seconds: float | None = None  # since the last write; None where there is no file


def tail(path: Path, lines: int = 100, only_whole: bool = False) -> Tail:
    """The last `lines` lines, ready for the eye (see show_line). With `only_whole` it ends before an unfinished last line.

    Raises OSError where the file at the path cannot be read, or is none; a part that cannot be read is left out."""
    data, size, start = _read_live(path, lines)
    if only_whole and ((end := end_of_whole(data)) or not start):
        data, size = data[:end], size - len(data) + end
    raw = data.split(b"\n")
    if raw[-1] == b"":
        raw.pop()
    if not start and len(raw) < lines:
        raw = [*_read_older(path, lines - len(raw)), *raw]
    shown = [show_line(line) for line in raw[-lines:]] if lines > 0 else []
    if start > 0 and shown and len(raw) <= lines and b"\r" not in raw[0].rstrip(b"\r"):  # a bar's last state is whole
        shown[0] = f"... (+{len(raw[0]):,} bytes, the end of a line; only the last {size - start:,} bytes were looked at)"
    return Tail(shown, size, _find_age(path))


def _read_live(path: Path, lines: int) -> tuple[bytes, int, int]:
    """The end of the file that is written, its size, and from where on it was read."""
    try:
        check_file(path)
        file = FileIO(path)
    except (FileNotFoundError, NotADirectoryError):
        return b"", 0, 0
    with file:
        if is_packed(path):  # nothing is written to it any more: it is the last of its own parts
            return b"", 0, 0
        size = file.seek(0, 2)
        data, start = _read_back(file, size, lines)
    return data, size, start


def _read_back(file: FileIO, size: int, lines: int) -> tuple[bytes, int]:
    """More than `lines` ends of lines from the end of a file, and from where on."""
    start, blocks, newlines = size, [b""], 0
    while start > 0 and newlines <= lines and size - start < MOST:
        length = min(BLOCK, start)
        start -= length
        file.seek(start)
        blocks.append(file.read(length))
        newlines += blocks[-1].count(b"\n")
    return b"".join(reversed(blocks)), start


def _read_older(path: Path, lines: int) -> list[bytes]:
    """So many lines before the file that is written, as far as they are there."""
    parts, rows = find_parts(path), list[bytes]()
    for number in sorted(parts, reverse=True):
        found = _read_end(parts[number], lines - len(rows))
        rows = found + rows
        if len(rows) >= lines:
            break
    return rows


def _read_end(part: Path, lines: int) -> list[bytes]:
    """So many of the last lines of a part, or all, or of a packed one those that are kept."""
    try:
        check_file(part)
        there = part.stat()
        if is_packed(part):
            data, is_cut = _unpack_end(part, there.st_mtime_ns, there.st_size)
        else:
            with FileIO(part) as file:
                data, is_cut = _read_back(file, there.st_size, lines)
    except OSError:  # packed, or moved away by a fresh start, in this moment; or nobody can read it
        return []
    rows = data.split(b"\n")
    if rows[-1] == b"":
        rows.pop()
    return rows[1 if is_cut else 0 :][-lines:]


@lru_cache(maxsize=8)
def _unpack_end(part: Path, modified: int, size: int) -> tuple[bytes, int]:
    """The last KEPT bytes of a packed part, and where they begin. It never changes; the arguments tell another one apart."""
    end, read = b"", 0
    with open_part(part) as file:
        while data := read_part(file, KEPT):
            end, read = (end + data)[-KEPT:], read + len(data)
    return end, read - len(end)


def _find_age(path: Path) -> float | None:
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):  # as when it is moved away in this moment
        parts = list_parts(path)
        if not parts or not parts[-1].exists():
            return None
        there = parts[-1].stat()
    return max(0.0, time.time() - ours(there.st_mtime, there.st_dev))
