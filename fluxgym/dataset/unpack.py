"""A zip of images and captions into a data set, one file after the other. What is wrong with it is said; nothing of it is
believed: not its names, not its sizes, not that it is small when it is unpacked."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from fluxgym.dataset import incoming
from fluxgym.dataset.described import LARGEST, is_description, list_captions
from fluxgym.dataset.incoming import DIFFERS, Refused, Taken
from fluxgym.dataset.naming import ZIP, find_reason, is_about, is_flat, is_junk, list_stems, name_all, stem_of
from trainer.listing import CAPTIONS

MOST_FILES = 50_000
MOST_TIMES = 100  # as large as the zip: images hardly get smaller
FREE_SIZE = 2**30  # bytes: what is no larger may be any times as large
LARGEST_LIST = 32 * 2**20  # bytes of the list of its files
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # LZMA takes as much memory as a file says
BLOCK = 2**20  # bytes
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True)
class Item:
    """One file of a zip, or a caption that a file of it tells."""

    path: str
    source: zipfile.ZipInfo | str


@dataclass
class Unpacked:
    """What became of a zip's files."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # one sentence for each file


def unpack(place: Path, archive: Path, replaces: bool = False, is_beside: bool = False) -> Unpacked:
    """Takes what can be used. `replaces`: in the place of what is there under its name; `is_beside`: under a name of its own
    where something else is there. Raises Refused when nothing of it can be, OSError. The archive stays where it is."""
    _check_list(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            return _unpack(place, opened, archive.stat().st_size, replaces, is_beside)
    except BROKEN as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"got a zip that cannot be read, expected a whole one ({error})") from error


def _unpack(place: Path, archive: zipfile.ZipFile, size: int, replaces: bool, is_beside: bool) -> Unpacked:
    result = Unpacked()
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not is_junk(entry.filename)]
    items = [Item(entry.filename, entry) for entry in _choose(entries, result)]
    total = sum(item.source.file_size for item in items if isinstance(item.source, zipfile.ZipInfo))
    if total > max(FREE_SIZE, MOST_TIMES * size):
        got = f"got a zip of {size / 2**20:,.1f} MiB that unpacks to {total / 2**20:,.0f} MiB"
        raise Refused(f"{got}, expected at most {MOST_TIMES} times its size")
    incoming.check_room(place, total)
    items += _read_described(archive, entries, {item.path for item in items})
    items.sort(key=lambda item: is_about(PurePath(item.path)))  # what is about an image comes after it
    flatten = is_flat(place)
    names = name_all([item.path for item in items], flatten=flatten)
    _take_all(place, archive, list(zip(items, names, strict=True)), replaces, result)
    if is_beside and (stems := {_group(PurePath(each.name)) for each in result.taken if each.outcome == DIFFERS}):
        again = [item for item, name in zip(items, names, strict=True) if _group(name) in stems]
        paths = {item.path for item in again}
        result.taken = [each for each in result.taken if each.path not in paths]
        names = name_all([item.path for item in again], list_stems(place), flatten)
        _take_all(place, archive, list(zip(again, names, strict=True)), False, result)
    return result


def _take_all(
    place: Path, archive: zipfile.ZipFile, items: Sequence[tuple[Item, PurePath]], replaces: bool, result: Unpacked
) -> None:
    left: set[tuple[PurePath, str]] = set()  # images that stay out: their captions must not become another's
    for item, name in items:
        if is_about(name) and _group(name) in left:
            result.taken.append(Taken(item.path, name.as_posix(), DIFFERS))
            continue
        try:
            with incoming.arriving(place, name.suffix) as arrived:
                _extract(archive, item, arrived)
                taken = incoming.take(place, name, arrived, item.path, replaces)
        except Refused as error:
            result.refused.append(str(error))
            continue
        result.taken.append(taken)
        if taken.outcome == DIFFERS and not is_about(name):
            left.add(_group(name))


def _group(name: PurePath) -> tuple[PurePath, str]:
    return name.parent, stem_of(name)


def _read_described(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], paths: set[str]) -> list[Item]:
    """The captions that a metadata.jsonl in it tells."""
    items = []
    for entry in entries:
        if not is_description(entry.filename) or entry.file_size > LARGEST or entry.compress_type not in METHODS:
            continue
        try:
            told = archive.read(entry).decode("utf-8")
        except BROKEN:
            told = ""
        items += [Item(path, text) for path, text in list_captions(entry.filename, told, paths).items()]
    return items


def _choose(entries: list[zipfile.ZipInfo], result: Unpacked) -> Iterator[zipfile.ZipInfo]:
    """Those that are files, images or captions, and lie where they say."""
    if len(entries) > MOST_FILES:
        raise Refused(f"got a zip of {len(entries):,} files, expected at most {MOST_FILES:,}")
    for entry in entries:
        if is_description(entry.filename):
            continue
        if why := _find_wrong(entry):
            result.refused.append(why)
        else:
            yield entry


def _find_wrong(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry is not taken."""
    name = entry.filename
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        return f"{name[:200]}: got a name that leads out of the zip"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return f"{name[:200]}: got a link, expected a file"
    if entry.flag_bits & 1:
        return f"{name[:200]}: got a file with a password, expected one without"
    if entry.compress_type not in METHODS:
        return f"{name[:200]}: got a file packed by method {entry.compress_type}, expected deflate"
    if path.suffix.lower() == ZIP:
        return f"{name[:200]}: got a zip in a zip, expected its files themselves"
    limit = incoming.LARGEST_TEXT if path.suffix.lower() in CAPTIONS else incoming.LARGEST
    if entry.file_size > limit:
        return f"{name[:200]}: got {entry.file_size / 2**20:,.0f} MiB, expected at most {limit // 2**20:,} MiB"
    return find_reason(name)


def _extract(archive: zipfile.ZipFile, item: Item, target: Path) -> None:
    """Writes no more than the entry says it is, and its checksum must be right."""
    if isinstance(item.source, str):
        target.write_text(item.source, encoding="utf-8")
        return
    try:
        with archive.open(item.source) as source, target.open("wb") as file:
            while block := source.read(BLOCK):
                file.write(block)
    except BROKEN as error:
        raise Refused(f"{item.path[:200]}: it cannot be unpacked ({error})") from error


def _check_list(archive: Path) -> None:
    """A list that takes much memory is not read: its size stands at the zip's end. Raises Refused."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 98))
        end = file.read()
    at = end.rfind(b"PK\5\6")
    if at < 0 or len(end) < at + 22:
        raise Refused("got a file that is no zip, or not a whole one")
    length = int(struct.unpack_from("<L", end, at + 12)[0])
    large = end.rfind(b"PK\6\6", 0, at)
    if length == 0xFFFFFFFF or large >= 0:  # zip64 says it in a record of its own
        length = int(struct.unpack_from("<Q", end, large + 40)[0]) if 0 <= large <= len(end) - 56 else LARGEST_LIST + 1
    if length > LARGEST_LIST:
        raise Refused(
            f"got a zip whose list of files takes {length / 2**20:,.0f} MiB, expected at most {LARGEST_LIST // 2**20}"
        )
