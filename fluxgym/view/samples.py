"""Sample pictures as a grid: a row for each prompt, a column for each epoch or step at which they were drawn.

The same while nothing changed: a refresh costs a look at the folders, whatever is in them."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.view.prompts import Prompts, read_prompts, settings_stamp
from fluxgym.view.sample_names import Column, Picture, list_pictures, read_name, scan_samples
from trainer.folder import RunFolder

__all__ = ["Column", "Grid", "Picture", "Row", "grid", "list_pictures", "read_name"]


@dataclass(frozen=True)
class Row:
    """One prompt and its picture in each column that has one."""

    prompt: str
    seed: int | None
    pictures: dict[Column, Picture]


@dataclass(frozen=True)
class Grid:
    """Rows in the order of the prompts, columns in the order of drawing. `version` is other when anything in it is."""

    rows: list[Row]
    columns: list[Column]
    version: str = ""
    places: dict[str, Picture] = field(default_factory=dict)  # each picture by place_of


MOST_GRIDS = 64
_grids: OrderedDict[Path, tuple[object, Grid]] = OrderedDict()
_lock = threading.Lock()


def grid(folder: RunFolder) -> Grid:
    """The samples of a run. A prompt that was drawn again, after a resume, shows its latest picture."""
    scans = {path: (scan.stamp, scan.looked) for path, scan in scan_samples(folder).items()}
    seen = (scans, settings_stamp(folder))
    with _lock:
        known = _grids.get(folder.path)
    if known and known[0] == seen:
        return known[1]
    made = _arrange(folder, read_prompts(folder), list_pictures(folder))
    with _lock:
        _grids[folder.path] = (seen, made)
        _grids.move_to_end(folder.path)
        while len(_grids) > MOST_GRIDS:
            _grids.popitem(last=False)
    return made


def place_of(folder: RunFolder, picture: Picture) -> str:
    """Where a picture lies in the run's folder, as addresses have it: sample/robot_e000004_00_20261124101502_42.png"""
    return picture.path.relative_to(folder.path).as_posix()


def _arrange(folder: RunFolder, prompts: Prompts, found: list[Picture]) -> Grid:
    pictures = sorted(found, key=lambda picture: (picture.time, picture.path))
    drawn = {picture.column: picture.time for picture in pictures}
    columns = sorted(drawn, key=lambda column: (column.number > 0, drawn[column], column))
    by_row: dict[tuple[int, str], list[Picture]] = {}
    for picture in pictures:
        by_row.setdefault((picture.prompt, picture.said), []).append(picture)
    named = {number for number, _ in by_row}
    empty = [(number, "") for number in range(max([len(prompts), *named])) if number not in named]
    rows = [_row(number, said, prompts, by_row.get((number, said), [])) for number, said in sorted([*by_row, *empty])]
    places = {place_of(folder, picture): picture for row in rows for picture in row.pictures.values()}
    return Grid(rows, columns, _hash(rows, columns, places), places)


def _row(number: int, said: str, prompts: Prompts, own: list[Picture]) -> Row:
    prompt, seed = prompts[number] if number < len(prompts) else ("", None)
    seeds = [picture.seed for picture in own if picture.seed is not None]
    shown = {picture.column: picture for picture in own}
    return Row(said or prompt or f"Prompt {number + 1}", seeds[-1] if seeds else seed, shown)


def _hash(rows: list[Row], columns: list[Column], places: dict[str, Picture]) -> str:
    told = [(row.prompt, row.seed) for row in rows], columns, [(place, picture.version) for place, picture in places.items()]
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()
