"""Pictures made anew, once each, beside what else can be thrown away of a run: small for a grid, whole or as a visitor's card.

None of them holds what their maker wrote into the picture beside it: a prompt, a path, a camera's place."""

import io
import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from trainer.folder import RunFolder
from trainer.picture import open_file, show

SIDE = 384  # px, the longer side of a thumbnail: 190 px on a screen of twice the density
LARGEST = 16_383  # px, the longer side of what a WebP can hold
CARD_SIDES = (1024, 768, 512, 256)  # px, the longer side: the first that is small enough in bytes
CARD_BYTES = 300_000  # a messenger shows no preview of what is larger
LONGEST = 80  # characters of the picture's name in that of its thumbnail
AT_ONCE = threading.Semaphore(2)  # a training needs the other cores
_broken: set[str] = set()  # thumbnails that could not be made of a picture as it is


def thumbnail(folder: RunFolder, picture: Path) -> Path | None:
    """The picture made small, a .webp that is made once; None while the picture is broken or not whole yet.

    Its name changes when the picture does, so that browsers may keep it."""
    return _find(folder, picture, ".webp", _write_small)


def whole(folder: RunFolder, picture: Path) -> Path | None:
    """The picture in its full size, a .webp; as thumbnail."""
    return _find(folder, picture, ".whole.webp", _write_whole)


def card(folder: RunFolder, picture: Path) -> Path | None:
    """The picture as the preview of a link, a .jpg of at most CARD_BYTES; as thumbnail."""
    return _find(folder, picture, ".card.jpg", _write_card)


def write_bytes(picture: Path, side: int, quality: int) -> bytes | None:
    """The picture at most `side` px long, as a WebP that is kept nowhere; None where it is broken or not whole yet."""
    return _read(picture, lambda image: _encode(_plain(image, side), "WEBP", quality))


def _find(folder: RunFolder, picture: Path, suffix: str, write: Callable[[Image.Image], bytes]) -> Path | None:
    try:
        there = picture.stat()
    except OSError:
        return None
    place = zlib.crc32(os.fsencode(picture.parent))  # in another folder another picture may have its name
    version = f"{there.st_mtime_ns:x}-{there.st_size:x}"
    made = folder.thumbnails / f"{picture.stem[:LONGEST]}-{place:08x}-{version}{suffix}"
    key = str(made)
    if key in _broken:
        return None
    if made.is_file() and not made.is_symlink():  # a link, in a run from elsewhere, would lead a visitor out of it
        return made
    data = _read(picture, write)
    if data is None:
        _broken.add(key)
        return None
    return made if _keep(made, data) else None


def _read(picture: Path, write: Callable[[Image.Image], bytes]) -> bytes | None:
    try:
        with AT_ONCE, open_file(picture) as image:
            return write(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None


def _keep(made: Path, data: bytes) -> bool:
    """Writes beside and renames, so that nobody reads half of it. A disk that is full now may have room later."""
    beside = made.with_name(f".{made.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(made)
    except OSError:
        beside.unlink(missing_ok=True)
        return False
    return True


def _write_small(image: Image.Image) -> bytes:
    return _encode(_plain(image, SIDE), "WEBP", 82)


def _write_whole(image: Image.Image) -> bytes:
    return _encode(_plain(image, LARGEST), "WEBP", 90)


def _write_card(image: Image.Image) -> bytes:
    plain = _plain(image, CARD_SIDES[0])
    data = b""
    for side in CARD_SIDES:
        plain.thumbnail((side, side))
        data = _encode(plain, "JPEG", 85)
        if len(data) <= CARD_BYTES:
            break
    return data


def _plain(image: Image.Image, side: int) -> Image.Image:
    """Its pixels alone, upright, at most `side` px long."""
    image.draft("RGB", (side, side))  # a large JPEG is decoded small
    image.load()
    image.thumbnail((side, side))  # before its colours are looked at: there are fewer then
    plain = show(image)
    plain.info.clear()  # from which Pillow would write some of it into the new file
    return plain


def _encode(image: Image.Image, kind: str, quality: int) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, quality=quality)
    return data.getvalue()
