"""Files on their way into a data set: written beside, looked at, put in their place as a whole or not at all.

What is there already with the same content is left; what is there with another content is never replaced unasked."""

import hashlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from fluxgym.dataset.captions import forget
from fluxgym.dataset.encodings import NotText, decode_caption
from fluxgym.dataset.images import CAPTION_LIMIT, datasets_root, expand
from fluxgym.dataset.sets import check_set_name, find_set
from fluxgym.run.folders import PROJECT
from trainer import picture
from trainer.buckets import UNIT
from trainer.disk import sync_folder, write_whole
from trainer.listing import CAPTIONS, IMAGES, MASK, find_caption

ARRIVING = ".incoming"  # in the data set: files that are not whole yet
LEFT = 24 * 60 * 60  # s after which one that nobody finished is thrown away
LARGEST = 2**30  # bytes of an image
LARGEST_TEXT = 8 * 2**20  # bytes of a caption's file
SPARE = 256 * 2**20  # bytes that stay free on the disk
ADDED, SAME, DIFFERS, REPLACED = "added", "same", "differs", "replaced"  # outcomes
_LOOKING = threading.Semaphore(2)  # images decoded at once: memory, and a training needs the other cores
_PLACING = threading.Lock()


class Refused(ValueError):
    """What is not taken, and why."""


@dataclass(frozen=True)
class Taken:
    """What became of one file."""

    path: str  # as it was called where it came from
    name: str  # as it is called in the data set
    outcome: str
    note: str = ""  # what a person should know


def find_target(given: str) -> Path:
    """The data set that a setting names, which need not be there yet. Raises ValueError."""
    root = datasets_root()
    try:
        path = PROJECT / expand(given)
        is_ours = bool(given) and path.parent.resolve() == root.resolve()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        is_ours = False
    if not is_ours:
        raise Refused(f"got {given[:200]!r}, expected a data set below {root.name}/: this folder is somebody else's")
    there = find_set(path.name)
    if there is None:
        check_set_name(path.name)
    elif there.resolve().parent != root.resolve():
        raise Refused(f"{path.name} is a link to another folder: put the files there")
    return root / path.name


@contextmanager
def arriving(place: Path, suffix: str = "") -> Iterator[Path]:
    """An empty file where something may be written that arrives; what is left of it at the end is thrown away."""
    was_there = place.is_dir()
    file = _begin(place / ARRIVING, suffix)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
        for folder in [place / ARRIVING] if was_there else [place / ARRIVING, place]:
            with suppress(OSError):  # something else is in it
                folder.rmdir()


def _begin(folder: Path, suffix: str) -> Path:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # who had ended took the folder away
            for old in folder.iterdir():
                if _is_left(old):
                    old.unlink(missing_ok=True)
            file = folder / f"{uuid.uuid4().hex}{suffix}"
            file.touch()
            return file


def check_room(place: Path, size: int) -> None:
    """Raises Refused when the disk has no room for so many bytes."""
    folder = next(path for path in (place, *place.parents) if path.is_dir())
    free = max(shutil.disk_usage(folder).free - SPARE, 0)
    if size > free:
        raise Refused(f"the disk has no room for it: {size / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB are free")


def take(place: Path, name: PurePath, arrived: Path, path: str, replaces: bool = False) -> Taken:
    """Puts a file that arrived into the data set under a name of naming.py; one that is not put there stays where it is.

    Raises Refused when it is no image or caption that can be used, OSError."""
    is_caption = name.suffix in CAPTIONS
    note = _prepare_caption(arrived, path) if is_caption else _look(arrived, path)
    target = place / name
    with _PLACING:
        outcome = _compare(target, arrived, is_caption)
        if outcome == ADDED and not is_caption and not replaces and _is_another_s(target):
            outcome = DIFFERS
        elif outcome == DIFFERS and replaces:
            outcome = REPLACED
        if outcome in (ADDED, REPLACED):
            _put(arrived, target)
    forget([place])
    return Taken(path, name.as_posix(), outcome, note if outcome in (ADDED, REPLACED) else "")


def is_there(place: Path, name: PurePath, size: int, digest: str = "") -> bool:
    """Whether a file of this size, and of this content (SHA-256) where that is said, is there."""
    target = place / name
    try:
        return target.stat().st_size == size and (not digest or digest_of(target) == digest)
    except OSError:
        return False


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_left(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LEFT
    except OSError:  # it has just found its place
        return False


def _prepare_caption(arrived: Path, path: str) -> str:
    """Writes it as the trainer reads it."""
    size = arrived.stat().st_size
    if size > LARGEST_TEXT:
        limit = f"a caption of at most {CAPTION_LIMIT:,} characters"
        raise Refused(f"{path}: got a text of {size / 2**20:,.0f} MiB, expected {limit}")
    try:
        text, note = decode_caption(path, arrived.read_bytes())
    except NotText as error:
        raise Refused(str(error)) from error
    if len(text) > CAPTION_LIMIT:
        raise Refused(f"{path}: got {len(text):,} characters, expected a caption of at most {CAPTION_LIMIT:,}")
    write_whole(arrived, f"{text}\n".encode() if text else b"")
    return note


def _look(arrived: Path, path: str) -> str:
    size = arrived.stat().st_size
    if size > LARGEST:
        raise Refused(f"{path}: got {size / 2**20:,.0f} MiB, expected an image of at most {LARGEST // 2**20:,} MiB")
    try:
        with _LOOKING:
            looked = picture.check_image(arrived)
    except picture.DAMAGED as error:
        raise Refused(f"{path} cannot be opened as an image: {error}") from error
    if min(looked.size) < UNIT:
        width, height = looked.size
        raise Refused(f"{path}: got an image of {width}x{height} px, expected at least {UNIT} px on each side")
    return f"{path} is animated: its first frame is what is learned" if looked.is_animated else ""


def _compare(target: Path, arrived: Path, is_caption: bool) -> str:
    """The outcome of a file that may not replace any. An empty caption says nothing against what is there."""
    if is_caption and not arrived.stat().st_size:
        return SAME
    if not target.exists():
        return ADDED
    if is_caption and target.stat().st_size <= LARGEST_TEXT:
        is_same = target.read_bytes().strip() == arrived.read_bytes().strip()
    else:
        is_same = is_there(target.parent, PurePath(target.name), arrived.stat().st_size, digest_of(arrived))
    return SAME if is_same else DIFFERS


def _is_another_s(target: Path) -> bool:
    """Whether an image of this name would get the caption of another, a.jpg that of a.png."""
    if target.stem.endswith(MASK) or not find_caption(target).is_file():
        return False
    return any(path.stem == target.stem and path.suffix.lower() in IMAGES for path in target.parent.iterdir())


def _put(arrived: Path, target: Path) -> None:
    with arrived.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(exist_ok=True)
    arrived.replace(target)
    sync_folder(target.parent)
