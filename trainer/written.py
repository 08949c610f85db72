"""Which captions of a data set a model wrote, and nobody has touched since: those may be written anew. Imports no torch.

A hidden file in the data set's folder holds the hash of each caption that was written. A caption that is another one now is a
person's, whoever began it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.disk import write_whole
from trainer.layouts import read_layout
from trainer.listing import Found, find_caption, read_caption

RECORD = ".captions-by-a-model.json"
VERSION = 1
MARK = ".model"  # in the name of what is being written, as a person may write the same caption
MOST_READ = 2**26  # bytes


@dataclass(frozen=True)
class Choice:
    """The images that a model is to caption, and those that are left as they are, by why."""

    todo: list[Found]
    by_model: list[Found]  # a model wrote their captions, which nobody has touched since
    by_person: list[Found]
    problems: list[str]  # of the data set: captions that cannot be read, for one


class Written:
    """The record of one data set."""

    def __init__(self, place: Path):
        self.folder = place if place.is_dir() else place.parent
        self.path = self.folder / RECORD
        self._known = _read(self.path)

    def is_by_model(self, found: Found) -> bool:
        """Whether the caption that is there now is as a model wrote it."""
        text = read_text(found)
        return bool(text) and self._known.get(self._name(found), {}).get("caption") == _hash(text)

    def find_way(self, found: Found) -> str:
        """In which way the caption was written that is there; empty where a person wrote it, or where there is none."""
        return str(self._known[self._name(found)].get("way", "")) if self.is_by_model(found) else ""

    def write(self, found: Found, text: str, way: str) -> None:
        """Writes a caption. It is noted first whose it is: broken off in between, nobody's caption passes for a model's.

        Raises NotWritten."""
        self._known[self._name(found)] = {"caption": _hash(text), "way": way}
        write_whole(self.path, json.dumps({"version": VERSION, "written": self._known}, indent=1).encode(), MARK)
        write_whole(find_file(found), f"{text}\n".encode(), MARK)

    def _name(self, found: Found) -> str:
        inside = found.path.is_relative_to(self.folder)
        return (found.path.relative_to(self.folder) if inside else found.path.absolute()).as_posix()


def choose(place: Path, again: bool = False) -> Choice:
    """The images without a caption of their own; `again`: also those whose caption a model wrote. Raises DatasetError."""
    layout, written = read_layout(place), Written(place)
    without = [found for found in layout.found if not found.is_captioned]
    by_model = [found for found in layout.found if found.is_captioned and written.is_by_model(found)]
    known = {id(found) for found in [*without, *by_model]}
    by_person = [found for found in layout.found if id(found) not in known]
    todo = sorted([*without, *by_model], key=lambda found: found.name) if again else without
    return Choice(todo, by_model, by_person, layout.problems)


def is_wanted(found: Found, written: Written, again: bool) -> bool:
    """Whether an image is still to be captioned: it is there, and nobody has written something meanwhile."""
    try:
        text = read_text(found)
    except ValueError:  # a person's, in another encoding
        return False
    return found.path.is_file() and (not text or (again and written.is_by_model(found)))


def find_file(found: Found) -> Path:
    """Where the trainer looks first for the caption of an image."""
    return found.source or find_caption(found.path)


def read_text(found: Found) -> str:
    """The caption beside an image. Raises ValueError."""
    return read_caption(find_file(found))


def _hash(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode(errors="surrogatepass")).hexdigest()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        said = json.loads(path.read_bytes()) if path.stat().st_size < MOST_READ else {}
        known = said["written"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {name: each for name, each in known.items() if isinstance(each, dict)} if isinstance(known, dict) else {}
