"""The forms in which data sets come, each read into the same list. Imports no torch.

cat.jpg + cat.txt            a folder of images, each with its caption beside it
10_sks dog/cat.jpg           folders whose names say how often their images are shown, and their caption where there is none
metadata.jsonl               {"file_name": "cat.jpg", "text": "a cat"} on each line, as the Hugging Face Hub has it
dataset.toml                 kohya's (kohya.py)"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.kohya import read_toml
from trainer.listing import IMAGES, DatasetError, Found, Layout, find_caption, find_mask, list_files, read_caption

NUMBERED = re.compile(r"(\d{1,5})_(.+)", re.S)
METADATA, TOML = "metadata.jsonl", "dataset.toml"
TEXTS = ("text", "prompt", "caption")  # keys of a line of metadata.jsonl, the first that is there counts


def read_layout(place: Path, is_regularisation: bool = False) -> Layout:
    """The images of a folder, of its metadata.jsonl, or of a dataset.toml. Raises DatasetError when there is nothing to read.

    Files in the folder itself count before those of its N_name folders, and captions beside images before metadata.jsonl."""
    if place.name == METADATA and place.is_file():
        place = place.parent
    if place.suffix.lower() == ".toml" and place.is_file():
        return read_toml(place, is_regularisation)
    if not place.is_dir():
        kind = "a file" if place.exists() else "nothing"
        raise DatasetError(str(place), [f"got {kind} at {place}, expected a folder of images with captions"])
    plain, numbered = list_files(place), _list_numbered(place)
    if (place / METADATA).is_file():
        return _read_metadata(place, plain.images)
    if not plain.images and (place / TOML).is_file():
        return read_toml(place / TOML, is_regularisation)
    if not plain.images and numbered:
        return _read_numbered(numbered)
    layout = Layout()
    if not plain.images:
        layout.problems.append(f"got no image in {place}, expected at least one ({', '.join(IMAGES)})")
    if numbered:
        layout.notes.append(f"{place}: its own images are used; those in {numbered[0][0].name} and the like are ignored")
    _add_images(layout, place, "")
    return layout


def _add_images(layout: Layout, folder: Path, prefix: str, caption: str = "", repeats: int | None = None) -> None:
    files = list_files(folder)
    for path in files.lonely:
        layout.problems.append(
            f"{prefix}{path.name}: a caption without an image, expected an image called {path.stem} beside it"
        )
    for path in files.images:
        try:
            text = read_caption(find_caption(path))
        except ValueError as error:
            layout.problems.append(f"{prefix}{path.name}: {error}")
            continue
        name, mask = prefix + path.name, find_mask(path)
        layout.found.append(Found(path, name, text or caption, repeats, mask=mask, is_captioned=bool(text)))


# ---- N_name folders --------------------------------------------------------------------------------------------------
def _list_numbered(place: Path) -> list[tuple[Path, int, str]]:
    """Each folder called N_name with images in it, with N and name."""
    matches = ((path, NUMBERED.fullmatch(path.name)) for path in sorted(place.iterdir()))
    numbered = [(path, int(match[1]), match[2]) for path, match in matches if match and path.is_dir()]
    return [each for each in numbered if list_files(each[0]).images]


def _read_numbered(folders: list[tuple[Path, int, str]]) -> Layout:
    layout = Layout()
    for folder, repeats, name in folders:
        if repeats:
            _add_images(layout, folder, f"{folder.name}/", " ".join(name.split()), repeats)
        else:
            layout.notes.append(f"{folder.name}: its images are not used, it says 0 times")
    if not layout.found and not layout.problems:
        layout.problems.append("got folders that all say 0 times, expected at least one such as 10_name")
    return layout


# ---- metadata.jsonl --------------------------------------------------------------------------------------------------
def _read_metadata(place: Path, images: list[Path]) -> Layout:
    """The images that it names, and those beside it: it need not name all."""
    layout, texts = Layout(), dict.fromkeys(images, "")
    try:
        lines = (place / METADATA).read_text(encoding="utf-8-sig").split("\n")  # JSON holds other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(str(place), [f"{METADATA} cannot be read, expected UTF-8 text ({error})"]) from error
    for number, line in _lines(lines):
        try:
            path, text = _parse_line(place, line)
        except (ValueError, RecursionError) as error:
            layout.problems.append(f"{METADATA}, line {number}: {error}")
            continue
        texts[path] = text
    for path, text in texts.items():
        name = path.relative_to(place).as_posix()
        try:
            caption = read_caption(find_caption(path)) or text
        except ValueError as error:
            layout.problems.append(f"{name}: {error}")
            continue
        layout.found.append(Found(path, name, caption, mask=find_mask(path), is_captioned=bool(caption)))
    if not texts and not layout.problems:
        layout.problems.append(f"got no image in {place} nor in its {METADATA}, expected at least one")
    return layout


def _lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _parse_line(place: Path, line: str) -> tuple[Path, str]:
    """The image that a line names and what it says of it. Raises ValueError."""
    said: Any = json.loads(line)
    if not isinstance(said, dict) or not isinstance(said.get("file_name"), str):
        raise ValueError(f"got {line[:80]}, expected an object with a file_name and a text")
    name = said["file_name"]
    path = place / name
    if not _is_file_within(path, place):
        raise ValueError(f"got the file_name {name[:80]!r}, expected an image within {place}")
    if path.suffix.lower() not in IMAGES:
        raise ValueError(f"got the file_name {name[:80]!r}, expected an image ({', '.join(IMAGES)})")
    text = next((said[key] for key in TEXTS if said.get(key) is not None), "")
    if not isinstance(text, str):
        raise ValueError(f"got {str(text)[:80]} as the text of {name[:80]}, expected text")
    return path, " ".join(text.split())


def _is_file_within(path: Path, place: Path) -> bool:
    """Whether this is a file below a folder, by its name; links there may lead anywhere, as those of the Hub's cache do."""
    try:
        return path.is_relative_to(place) and ".." not in path.relative_to(place).parts and path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
