"""Pictures made small, once each, beside what else can be thrown away of a run."""

import os
import threading
import zlib
from pathlib import Path

from PIL import Image

from trainer.folder import RunFolder

SIDE = 384  # px, the longer side of a thumbnail: 190 px on a screen of twice the density
LONGEST = 80  # characters of the picture's name in that of its thumbnail
AT_ONCE = threading.Semaphore(2)  # a training needs the other cores
_broken: set[str] = set()  # thumbnails that could not be made of a picture as it is


def thumbnail(folder: RunFolder, picture: Path) -> Path | None:
    """The picture made small, a .webp that is made once; None while the picture is broken or not whole yet.

    Its name changes when the picture does, so that browsers may keep it."""
    try:
        there = picture.stat()
    except OSError:
        return None
    place = zlib.crc32(os.fsencode(picture.parent))  # in another folder another picture may have its name
    version = f"{there.st_mtime_ns:x}-{there.st_size:x}"
    small = folder.thumbnails / f"{picture.stem[:LONGEST]}-{place:08x}-{version}.webp"
    key = str(small)
    if key in _broken:
        return None
    if not small.is_file() and not _make(picture, small):
        _broken.add(key)
        return None
    return small


def _make(picture: Path, small: Path) -> bool:
    """Writes beside and renames, so that nobody reads half of it. Whether there is a thumbnail now."""
    beside = small.with_name(f".{small.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with AT_ONCE, Image.open(picture) as image:
            image.draft("RGB", (SIDE, SIDE))  # a large JPEG is decoded small
            image.thumbnail((SIDE, SIDE))
            small.parent.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").save(beside, "WEBP", quality=82)
        beside.replace(small)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        beside.unlink(missing_ok=True)
        return False
    return True
