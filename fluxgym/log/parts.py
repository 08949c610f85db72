"""The files that one log is made of. At a size limit the training moves training.log to logs/training.0001.log and goes on in a
new training.log; what was moved is packed (.gz) after that. A log of an earlier start lies packed, with its parts beside it."""

import gzip
import re
import zlib
from errno import EINVAL
from io import BytesIO, FileIO
from pathlib import Path
from stat import S_ISREG

PART = re.compile(r"\.(\d{4,9})\.log(\.gz)?")
PACKED = ".gz"
Part = FileIO | gzip.GzipFile | BytesIO


def list_parts(log: Path) -> list[Path]:
    """All files of a log that are there, in the order in which they were written."""
    parts = find_parts(log)
    return [parts[number] for number in sorted(parts)] + ([log] if not is_packed(log) and log.is_file() else [])


def find_parts(log: Path) -> dict[int, Path]:
    """The files of a log to which nothing is written any more, by number; counted from 1."""
    stem = log.name.removesuffix(PACKED).removesuffix(".log")
    folder = log.parent if is_packed(log) else log.parent / "logs"
    try:
        names = [path.name for path in folder.iterdir() if path.name.startswith(f"{stem}.")]
    except OSError:  # mostly there is no such folder; one that cannot be read must not hide what is written now
        return {}
    parts: dict[int, Path] = {}
    for name in sorted(names, reverse=True):  # where both are there, the packed one is new: the other is read faster
        if found := PART.fullmatch(name, len(stem)):
            parts[int(found[1])] = folder / name
    if is_packed(log) and log.name in names:
        parts[max(parts, default=0) + 1] = log
    return parts


def is_gone(log: Path) -> bool:
    """Whether nothing of a log is there; a disk that is away does not tell that. The file that is written is looked for first:
    it may become a part meanwhile."""
    try:
        log.stat()
    except FileNotFoundError:
        return log.parent.is_dir() and not find_parts(log)
    except OSError:
        return False
    return False


def is_packed(path: Path) -> bool:
    return path.suffix == PACKED


def open_part(path: Path) -> Part:
    """A part for reading, unpacked. It may be packed in the very moment in which it is opened."""
    try:
        check_file(path)
        return gzip.open(path) if is_packed(path) else FileIO(path)
    except FileNotFoundError:
        if is_packed(path):
            raise
        return gzip.open(path.with_name(path.name + PACKED))


def check_file(path: Path) -> None:
    """Raises OSError where nothing can be read at once: whoever opens a pipe waits for ever."""
    if not S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "not a file", str(path))


def read_part(file: Part, size: int) -> bytes:
    """The next bytes; b"" at the end, and where a packed file is damaged: what stands before that is all there is."""
    try:
        return file.read1(size) if isinstance(file, gzip.GzipFile) else file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def seek_part(file: Part, offset: int) -> bool:
    """Goes to an offset; False where the part is not that long."""
    try:
        if isinstance(file, gzip.GzipFile):
            return file.seek(offset) == offset
        return file.seek(0, 2) >= offset and file.seek(offset) == offset
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
