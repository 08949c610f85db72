"""Reads only what is new in a growing log, however it is cut, shortened, replaced, moved away in parts, or deleted."""

import os
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path
from stat import S_ISREG

from fluxgym.log.disk_clock import ours
from fluxgym.log.lines import end_of_whole, show_line
from fluxgym.log.parts import Part, find_parts, is_packed, open_part, read_part, seek_part

FIRST, LIVE = 0, -1  # parts to begin with: the oldest one, the file that is written
HEAD = 256  # bytes at the beginning by which a file is known again
READ = 2 * 1024 * 1024  # bytes of one read


class Source:
    """A log read by offset. A file is another one when its inode or first bytes changed, or when it is shorter. Where it was
    moved to logs/ as a part it is read to its end there, and then what was written after it; else the log is begun anew.

    Begins at `offset` of that `part`: its number, FIRST for the oldest one, LIVE for the file that is written now. With `holds`
    that file stays open, so that what comes to it after somebody else renamed it is read too. `most`: bytes of one read."""

    def __init__(self, path: Path, offset: int = 0, part: int = LIVE, holds: bool = False, most: int = READ):
        self.path, self.offset, self.part = path, offset, part
        self.size = 0  # bytes that were read in all, as they are unpacked
        self.modified: float | None = None  # seconds since 1970; None where there is no file
        self._holds, self._begins_first, self._most = holds, part == FIRST, most
        self._inode: tuple[int, int] | None = None  # of the file that is written, where it was read already
        self._head = b""
        self._held: FileIO | None = None  # that file
        self._old: Part | None = None  # the part that is read
        self._is_in_line = False

    def read(self) -> tuple[bytes, bool]:
        """Up to `most` new bytes (b"" where there are none yet), and whether the log was begun anew."""
        is_new = False
        while True:
            if self._old:
                if data := self._read_old(self._old):
                    return data, is_new
                continue
            # The file at the path is opened before the parts are listed: what is no part even then was none when it was opened.
            file = self._open()
            if file and self._is_same(file):
                return self._read(file), is_new
            parts = find_parts(self.path)
            if self.part <= FIRST:
                self._place(parts)
            if self._enter(parts):
                self._close(file)
            elif (data := self._read_held()) or file is None:
                self._close(file)
                return data, is_new
            elif self._goes_on_with(file, parts):
                return self._read(file), is_new
            else:
                self._close(file)
                self._place(parts)
                self.offset, self.size, is_new = 0, 0, True
                self._forget()

    def _place(self, parts: dict[int, Path]) -> None:
        """Chooses the part to begin with."""
        self.part = min(parts, default=1) if self._begins_first else max(parts, default=0) + 1

    def _forget(self) -> None:
        """What comes next is another file."""
        self._inode, self._head, self._is_in_line = None, b"", False
        self._held = self._close(self._held)

    def _open(self) -> FileIO | None:
        """The file that is written now; None where there is none to be read, as where all of the log is packed."""
        try:
            file = FileIO(self.path, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))  # a pipe waits for ever
        except OSError:  # nor for a disk that is away, or the rights of somebody else: it is looked for again
            self.modified = None
            return None
        there = os.fstat(file.fileno())
        is_file = S_ISREG(there.st_mode)
        self.modified = ours(there.st_mtime, there.st_dev) if is_file else None
        return file if is_file and not is_packed(self.path) else self._close(file)

    @staticmethod
    def _close(file: FileIO | None) -> None:
        if file:
            file.close()

    def _is_same(self, file: FileIO) -> bool:
        """Whether it is the file that was read before."""
        there = os.fstat(file.fileno())
        return (
            self._inode == (there.st_dev, there.st_ino)
            and there.st_size >= self.offset
            and file.read(HEAD).startswith(self._head)
        )

    def _goes_on_with(self, file: FileIO, parts: dict[int, Path]) -> bool:
        """Whether this file, which was not read before, is what was written after the last part that was read."""
        is_next = self.part == 1 or self.part - 1 in parts
        return self._inode is None and is_next and os.fstat(file.fileno()).st_size >= self.offset

    def _read(self, file: FileIO) -> bytes:
        there = os.fstat(file.fileno())
        file.seek(0)
        self._head = file.read(HEAD)
        self._inode = (there.st_dev, there.st_ino) if self._head else None  # an empty file is any file: inodes are used again
        file.seek(self.offset)
        data = self._take(file.read(min(self._most, max(0, there.st_size - self.offset))))
        if self._holds:
            self._close(self._held)
            self._held = file
        else:
            file.close()
        return data

    def _read_held(self) -> bytes:
        """What was written to the file that is not at the path any more."""
        if self._held is None:
            return b""
        self._held.seek(self.offset)
        return self._take(self._held.read(self._most))

    def _enter(self, parts: dict[int, Path]) -> bool:
        """Goes on in a part: that which the file that was written has become, or the next one."""
        if self._inode is None:
            self.part = min((number for number in parts if number >= self.part), default=self.part)
        if self.part not in parts:
            return False
        file: Part
        try:
            file = open_part(parts[self.part])
        except OSError:  # a fresh start moved it away in this moment, or nobody can read it
            file = BytesIO()
        if self._inode and not (read_part(file, HEAD).startswith(self._head) and seek_part(file, self.offset)):
            file.close()
            return False
        self._old = file if self._inode or seek_part(file, self.offset) else BytesIO()
        return True

    def _read_old(self, file: Part) -> bytes:
        """More of a part. After its end: an end of line, where it had none."""
        if data := read_part(file, self._most):
            return self._take(data)
        file.close()
        is_in_line, self._old = self._is_in_line, None
        self.part, self.offset = self.part + 1, 0
        self._forget()
        return b"\n" if is_in_line else b""

    def _take(self, data: bytes) -> bytes:
        self.offset, self.size = self.offset + len(data), self.size + len(data)
        self._is_in_line = data[-1:] != b"\n" if data else self._is_in_line
        return data


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
