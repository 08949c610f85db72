"""Files that are there as a whole or not at all: written beside under another name, then renamed. Imports no torch."""

import gzip
import os
import shutil
from pathlib import Path

BESIDE = ".new"  # end of the name of what is being written
BLOCK = 2**20  # bytes


class NotWritten(OSError):
    """Something that could not be written, for want of room mostly. Nothing of it is left, and nothing else was touched."""

    def __init__(self, path: Path, error: OSError):
        reason = error.strerror or str(error)
        super().__init__(f"{path} could not be written: {reason}")
        self.path, self.strerror = path, reason


def write_whole(path: Path, data: bytes, mark: str = "") -> None:
    """Writes a file so that it is there as a whole or not at all, also after a loss of power. Raises NotWritten.

    Its folder must be there: a run whose folder was deleted must not come back in pieces. `mark` is in the name of what is
    being written, where several may write the same file at once."""
    beside = path.with_name(path.name + mark + BESIDE)
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise NotWritten(path, error) from error


def pack(path: Path, packed: Path) -> None:
    """Makes a packed file (gzip) of one, which is taken away when the packed one is whole. Raises OSError."""
    beside = packed.with_name(packed.name + BESIDE)
    try:
        with path.open("rb") as source, beside.open("wb") as file:
            with gzip.GzipFile(path.name, "wb", 1, file) as target:  # fast: a training wants the CPU
                shutil.copyfileobj(source, target, BLOCK)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(packed)
        sync_folder(packed.parent)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    path.unlink()


def make_folder(path: Path) -> None:
    """Makes a folder in one that must be there. Raises NotWritten."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise NotWritten(path, error) from error


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
