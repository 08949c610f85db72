"""The captions of a data set as a person edits them: read and written where the trainer reads them.

A caption belongs to a file, never to a place in a list. It lies beside its image, or in the line of metadata.jsonl that names
the image; what a dataset.toml or the name of a folder adds is told as well, and stays as it is.
"""

import codecs
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fluxgym.dataset.images import CAPTION_LIMIT, expand
from fluxgym.run.folders import PROJECT
from trainer.disk import write_whole
from trainer.layouts import METADATA, NUMBERED, TEXTS, read_layout
from trainer.listing import DatasetError, find_caption, list_files

WRITING = threading.RLock()  # one after the other: two change one metadata.jsonl
_known: dict[Path, "Captions"] = {}  # as they were last read, to find an image by its key
MOST_KNOWN = 32


@dataclass(frozen=True)
class Captioned:
    """One image with its caption."""

    path: Path
    key: str  # names it, within the data set or on this machine
    name: str  # where people read it
    text: str = ""  # as it is written
    learned: str = ""  # what is learned where that is more than the text; before the trigger is put in
    note: str = ""  # how it is written, where that is not as the trainer reads it
    is_locked: bool = False  # it cannot be edited here
    source: Path | None = None  # as in Found


@dataclass(frozen=True)
class Captions:
    """Every image of a data set with its caption, in order of name."""

    place: Path  # a folder, or a dataset.toml
    images: list[Captioned] = field(default_factory=list)
    lonely: list[Path] = field(default_factory=list)  # captions without an image
    problems: list[str] = field(default_factory=list)  # why nothing is learned from it as it is
    notes: list[str] = field(default_factory=list)

    @cached_property
    def by_key(self) -> dict[str, Captioned]:
        return {each.key: each for each in self.images}


class CaptionChanged(ValueError):
    """A caption that was changed elsewhere after it was read. `text` is what it is now."""

    def __init__(self, name: str, text: str):
        super().__init__(f"the caption of {name} was changed elsewhere meanwhile")
        self.text = text


def is_editable(place: Path) -> bool:
    """Captions of one's own data are written; what came with FluxGym is only looked at."""
    return not place.resolve().is_relative_to(PROJECT / "trainer")


def find_place(given: str) -> Path | None:
    """The folder, dataset.toml or metadata.jsonl that a setting names, from the project's folder or ~, or None."""
    try:
        path = PROJECT / expand(given)
        is_one = path.is_dir() or (path.suffix.lower() in (".toml", ".jsonl") and path.is_file())
        return path if given and is_one else None
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None


def read_captions(place: Path) -> Captions:
    """The images of a folder, of its metadata.jsonl, or of a dataset.toml. A place that cannot be read has problems alone."""
    folder = place.parent if place.name == METADATA else place
    try:
        layout = read_layout(place)
        files = list_files(folder) if folder.is_dir() else None
    except DatasetError as error:
        return Captions(place, problems=error.problems)
    except OSError as error:
        return Captions(place, problems=[f"{place} cannot be read: {error.strerror}"])
    found = {each.path: each for each in layout.found}
    missed = [path for path in _list_own(folder, files.images if files else []) if path not in found]  # wrongly written ones
    is_metadata = (folder / METADATA).is_file()
    images = [_read(folder, path, found[path].source, found[path].name, found[path].caption, is_metadata) for path in found]
    images += [_read(folder, path, None, _key(folder, path), "", is_metadata) for path in missed]
    result = Captions(
        place, sorted(images, key=lambda each: each.name), files.lonely if files else [], layout.problems, layout.notes
    )
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[place] = result
    return result


def find_image(place: Path, key: str) -> Captioned:
    """The image that has this key, which is compared, never joined to a path. Raises ValueError."""
    for look in (lambda: _known.get(place), lambda: read_captions(place)):
        known = look()
        found = known.by_key.get(key) if known else None
        if found and found.path.is_file():
            return found
    raise ValueError(f"got the image {key[:200]!r}, expected one of {place}")


def find_version(place: Path) -> str:
    """Another one when a file of the data set was written, added or removed. No file is opened."""
    known = _known.get(place) or read_captions(place)
    folders = {place if place.is_dir() else place.parent, *(each.path.parent for each in known.images)}
    try:
        told = [
            (entry.path, there.st_mtime_ns, there.st_size)
            for folder in sorted(folders)
            for entry in os.scandir(folder)
            if not entry.name.startswith(".")
            for there in [entry.stat()]
        ]
    except OSError:  # it is being changed, or gone
        told = []
    return hashlib.sha256(repr(sorted(told)).encode()).hexdigest()[:16]


def write_caption(place: Path, key: str, text: str, before: str | None = None) -> str:
    """Keeps one caption, an empty one as none at all. Returns it as it is kept.

    `before`: what the writer believes it to be. Raises CaptionChanged where it is not, ValueError, OSError."""
    with WRITING:
        return _write(place, {key: text}, {} if before is None else {key: before})[key]


def write_captions(place: Path, texts: Mapping[str, str], before: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Keeps many at once. Returns them as they are kept, and the keys of those that were changed elsewhere and are left."""
    with WRITING:
        named = _metadata_of(place)
        changed = [key for key in texts if before.get(key, "") != _current(find_image(place, key), named)]
        return _write(place, {key: text for key, text in texts.items() if key not in changed}, {}), changed


# ---- reading ---------------------------------------------------------------------------------------------------------
def _list_own(folder: Path, images: list[Path]) -> list[Path]:
    """The images that the folder's layout takes up, whether their captions can be read or not."""
    if images or not folder.is_dir():
        return images
    matches = ((path, NUMBERED.fullmatch(path.name)) for path in sorted(folder.iterdir()))
    return [image for path, match in matches if match and int(match[1]) and path.is_dir() for image in list_files(path).images]


def _read(folder: Path, path: Path, source: Path | None, name: str, learned: str, is_metadata: bool) -> Captioned:
    text, note = _read_text(source or find_caption(path))
    if is_metadata and not text:
        text = learned
    is_long = len(text) > CAPTION_LIMIT
    if is_long:
        note = f"{len(text):,} characters, expected at most {CAPTION_LIMIT:,}: it is too long to be edited here"
    is_more = learned and learned != " ".join(text.split())
    key = _key(folder, path)
    return Captioned(path, key, name, text[:CAPTION_LIMIT], learned if is_more else "", note, is_long, source)


def _key(folder: Path, path: Path) -> str:
    base = folder if folder.is_dir() else folder.parent
    return (path.relative_to(base) if path.is_relative_to(base) else path.absolute()).as_posix()


def _read_text(path: Path) -> tuple[str, str]:
    """A caption however it is written, and what is to be said of that: the trainer wants UTF-8."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return "", f"{path.name} cannot be read: {error.strerror}"
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ("utf-16",) if data.startswith(marks) else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        is_other = encoding != "utf-8-sig"
        return text.strip(), f"{path.name} is not UTF-8: it is once it was edited here" if is_other else ""
    return "", f"{path.name} is no text"


def _current(image: Captioned, named: Mapping[Path, str]) -> str:
    return _read_text(_file_of(image))[0] or named.get(image.path, "")


def _file_of(image: Captioned) -> Path:
    return image.source or find_caption(image.path)


# ---- metadata.jsonl ----------------------------------------------------------------------------------------------------
def _metadata_file(place: Path) -> Path:
    return place if place.name == METADATA else place / METADATA


def _metadata_of(place: Path) -> dict[Path, str]:
    """What each line of metadata.jsonl says of an image; empty where there is none."""
    texts = {}
    for line in _read_lines(_metadata_file(place)):
        if said := _parse(line):
            texts[_metadata_file(place).parent / said["file_name"]] = " ".join(str(said[_text_key(said)] or "").split())
    return texts


def _read_lines(file: Path) -> list[str]:
    """As the trainer divides them: JSON holds other ends of lines."""
    try:
        return file.read_bytes().decode("utf-8").split("\n") if file.is_file() else []
    except (OSError, UnicodeDecodeError):
        return []


def _parse(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(said, dict) and isinstance(said.get("file_name"), str) and "\0" not in said["file_name"]
    return {**said, _text_key(said): said.get(_text_key(said))} if is_one else None


def _text_key(said: Mapping[str, Any]) -> str:
    """The key of a line that counts."""
    return next((key for key in TEXTS if said.get(key) is not None), TEXTS[0])


def _change_metadata(place: Path, texts: Mapping[Path, str]) -> None:
    """Puts texts into the lines that name these images; all other lines stay byte for byte."""
    file = _metadata_file(place)
    lines = _read_lines(file)
    before = list(lines)
    for number, line in enumerate(before):
        said = _parse(line)
        path = file.parent / (said["file_name"] if said else "")
        if said and path in texts and said[_text_key(said)] != texts[path]:
            mark = "\ufeff" if line.startswith("\ufeff") else ""
            end = "\r" if line.endswith("\r") else ""
            lines[number] = mark + json.dumps({**said, _text_key(said): texts[path]}, ensure_ascii=False) + end
    if lines != before:
        write_whole(file, "\n".join(lines).encode())


# ---- writing -----------------------------------------------------------------------------------------------------------
def _write(place: Path, texts: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    if not is_editable(place):
        raise ValueError("these images came with FluxGym: they are only looked at")
    kept = {key: _check(text) for key, text in texts.items()}
    images, named = {key: find_image(place, key) for key in kept}, _metadata_of(place)
    for key, believed in before.items():
        if (now := _current(images[key], named)) not in (believed, kept[key]):
            raise CaptionChanged(images[key].name, now)
    moved: dict[Path, str] = {}
    for key, text in list(kept.items()):
        image, file = images[key], _file_of(images[key])
        if image.path in named and (not text or not _read_text(file)[0]):
            moved[image.path] = kept[key] = " ".join(text.split())  # on one line, and so the writer is told
        if not text:
            file.unlink(missing_ok=True)
        elif image.path not in moved:
            write_whole(file, f"{text}\n".encode())
    if moved:
        _change_metadata(place, moved)
    return kept


def _check(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > CAPTION_LIMIT:
        raise ValueError(f"got a caption of {len(text):,} characters, expected at most {CAPTION_LIMIT:,}")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("got a caption with characters that are no text, expected text")
    return text


def forget(places: Iterable[Path]) -> None:
    """What is known of these places is read anew."""
    for place in places:
        _known.pop(place, None)
