"""Reads only what is new in a growing file, however it is cut, shortened, replaced or deleted."""

import os
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.lines import show_line

HEAD = 256  # bytes at the beginning by which a file is known again
READ = 2 * 1024 * 1024  # bytes of one read


class Source:
    """A file read by offset. A file is another one when its inode or its first bytes changed, or when it is shorter."""

    def __init__(self, path: Path, offset: int = 0):
        self.path, self.offset = path, offset
        self.modified: float | None = None  # seconds since 1970; None where there is no file
        self._inode: tuple[int, int] | None = None
        self._head = b""

    def read(self) -> tuple[bytes, bool]:
        """Up to READ new bytes (b"" where there are none yet), and whether the file was begun anew."""
        try:
            file = self.path.open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            self.modified = None
            return b"", False
        with file:
            there = os.fstat(file.fileno())
            self.modified = there.st_mtime
            head = file.read(HEAD)
            inode = (there.st_dev, there.st_ino)
            same = self._inode in (None, inode) and head.startswith(self._head) and there.st_size >= self.offset
            if not same:
                self.offset = 0
            self._inode, self._head = inode, head
            file.seek(self.offset)
            data = file.read(min(READ, max(0, there.st_size - self.offset)))
        self.offset += len(data)
        return data, not same


@dataclass(frozen=True)
class Chunk:
    """New lines, ready for the eye. `restarted`: what was shown before belongs to a file that is gone."""

    lines: list[str]
    restarted: bool = False


class Follower:
    """Gives the new whole lines of a file at each read(); a bar that is drawn over itself gives its latest state."""

    def __init__(self, path: Path, offset: int = 0):
        self._source = Source(path, offset)
        self._carry = b""

    @property
    def offset(self) -> int:
        """Where the first line that was not given yet begins, unless that line is endless."""
        return self._source.offset - len(self._carry)

    def read(self) -> Chunk:
        lines: list[str] = []
        restarted = False
        while True:
            data, is_new = self._source.read()
            if is_new:
                lines, restarted, self._carry = [], True, b""
            if not data:
                return Chunk(lines, restarted)
            lines += map(show_line, self._cut(data))

    def _cut(self, data: bytes) -> list[bytes]:
        """The whole lines; the last, unfinished one waits for its end."""
        *whole, rest = (self._carry + data).split(b"\n")
        bar = rest.rfind(b"\r")
        if bar > 0:
            whole.append(rest[:bar])
            rest = rest[bar + 1 :]
        self._carry = rest[:READ]
        return whole
