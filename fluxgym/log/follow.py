"""Reads only what is new in a growing file, however it is cut, shortened, replaced or deleted."""

import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from fluxgym.log.lines import end_of_whole, show_line

HEAD = 256  # bytes at the beginning by which a file is known again
READ = 2 * 1024 * 1024  # bytes of one read


class Source:
    """A file read by offset. A file is another one when its inode or its first bytes changed, or when it is shorter.

    With `holds` it stays open, so that what is written to it up to its renaming or its end is read before the next file."""

    def __init__(self, path: Path, offset: int = 0, holds: bool = False):
        self.path, self.offset, self._holds = path, offset, holds
        self.modified: float | None = None  # seconds since 1970; None where there is no file
        self._inode: tuple[int, int] | None = None
        self._head = b""
        self._held: FileIO | None = None

    def read(self) -> tuple[bytes, bool]:
        """Up to READ new bytes (b"" where there are none yet), and whether the file was begun anew."""
        try:
            file = FileIO(self.path)
        except (FileNotFoundError, NotADirectoryError):
            data, is_new = self._read(self._held) if self._held else (b"", False)
            self.modified = None
            return data, is_new
        if not self._holds:
            with file:
                return self._read(file)
        # The file that is at the path was opened before the old one is looked at: nothing is written to the old one later.
        if self._held:
            data, is_new = self._read(self._held)
            if data or is_new:
                file.close()
                return data, is_new
            self._held.close()
        self._held = file
        return self._read(file)

    def _read(self, file: FileIO) -> tuple[bytes, bool]:
        there = os.fstat(file.fileno())
        self.modified = there.st_mtime
        file.seek(0)
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
    """New lines, ready for the eye. `restarted`: there is another file now; some of the lines may still be of the last."""

    lines: list[str]
    restarted: bool = False


class Follower:
    """Gives the new whole lines of a file at each read(); a bar that is drawn over itself gives its latest state.

    Begun at the `size` of `tail(path, lines, only_whole=True)` it goes on with the line that was not whole."""

    def __init__(self, path: Path, offset: int = 0):
        self._source = Source(path, offset, holds=True)
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
                lines += self.rest()
                restarted, self._carry = True, b""
            if not data:
                return Chunk(lines, restarted)
            lines += map(show_line, self._cut(data))

    def rest(self) -> list[str]:
        """The last line, where it has no end: for when no more will be written."""
        return [show_line(self._carry)] if self._carry.strip() else []

    def _cut(self, data: bytes) -> list[bytes]:
        """The whole lines; the last, unfinished one waits for its end."""
        data = self._carry + data
        end = end_of_whole(data)
        self._carry = data[end : end + READ]
        whole = data[:end].split(b"\n")
        return whole if whole[-1] else whole[:-1]
