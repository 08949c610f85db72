"""The room that the shared cache takes: what nobody has used for long is deleted, the longest unused first. Imports no torch.

Each training marks the files that it uses when it begins, and holds them open from then on: what is deleted later is gone from
the folder, not from the training. Nothing in it is lost for good, it is only computed again."""

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from trainer.disk import BESIDE
from trainer.report import say

KEPT = 30 * 86400.0  # s for which a file stays that nobody uses
IN_USE = 86400.0  # s within which a file counts as used by somebody who has just begun; also half-written ones


class NoRoom(ValueError):
    """A disk on which there is no room for what is to be cached. `needed` and `free` in bytes."""

    def __init__(self, folder: Path, needed: int, free: int):
        cure = "delete what is not needed on that disk, or put the folder of the runs on another one"
        super().__init__(
            f"{folder}: got {_size(free)} of free space, expected {_size(needed)} for what is to be cached; {cure}"
        )
        self.folder, self.needed, self.free = folder, needed, free


def new_mark() -> str:
    """What a file is called beside its name while it is written: by several trainings perhaps, on several machines."""
    return f".{secrets.token_hex(4)}"


def mark_used(file: Path) -> None:
    with contextlib.suppress(OSError):  # another training has just deleted it; whoever has read it keeps it
        os.utime(file)


def tidy(root: Path) -> None:
    """Deletes what nobody has used for a month, and what was left half-written by a training that was killed."""
    now = time.time()
    doomed = [(file, size) for file, used, size in _list_files(root) if now - used > _longest(file)]
    _delete(doomed)


def make_room(folder: Path, needed: int) -> None:
    """Sees to it that so many bytes can be written to a folder of the cache. Raises NoRoom.

    Where there is too little room, files that nobody has used for a day are deleted, the longest unused first."""
    if shutil.disk_usage(folder).free < needed:
        now = time.time()
        for file, used, size in sorted(_list_files(folder.parent), key=lambda each: each[1]):
            if now - used < IN_USE or shutil.disk_usage(folder).free >= needed:
                break
            _delete([(file, size)])
    if (free := shutil.disk_usage(folder).free) < needed:
        raise NoRoom(folder, needed, free)


def _longest(file: Path) -> float:
    return IN_USE if file.name.endswith(BESIDE) else KEPT


def _list_files(root: Path) -> list[tuple[Path, float, int]]:
    """Each file of the cache, when it was last used and its size in bytes; others may delete while this is read."""
    found = []
    for file in root.glob("*/*"):
        with contextlib.suppress(OSError):
            status = file.stat()
            found.append((file, status.st_mtime, status.st_size))
    return found


def _delete(files: list[tuple[Path, int]]) -> None:
    for file, _ in files:
        file.unlink(missing_ok=True)
    if files:
        freed = _size(sum(size for _, size in files))
        say(f"Cleared the cache: {len(files)} files that nobody has used for long, {freed}")


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
