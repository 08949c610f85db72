"""Sample pictures as a grid: a row for each prompt, a column for each epoch or step at which they were drawn.

Reads the names of our trainer and of kohya's, <name>_<e000004 or 000120>_<prompt's number>_<time>[_<seed>].png, and makes
each thumbnail once.
"""

import os
import re
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from trainer.folder import RunFolder

NAME = re.compile(r"(?:.*_)?(?P<epoch>e?)(?P<number>\d{6,12})_(?P<prompt>\d{2,4})_(?P<time>\d{14})(?:_(?P<seed>\d{1,19}))?")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SIDE = 384  # px, the longer side of a thumbnail: 150 px on a screen of twice the density, with room
KOHYA_PROMPTS = "sample_prompts.txt"


@dataclass(frozen=True, order=True)
class Column:
    """When pictures were drawn: after `number` epochs, or steps. 0 is the base model, before anything was learned."""

    number: int
    is_epoch: bool = True

    @property
    def label(self) -> str:
        return "base model" if self.number == 0 else f"{'epoch' if self.is_epoch else 'step'} {self.number:,}"


@dataclass(frozen=True)
class Row:
    """One prompt and its picture in each column that has one."""

    prompt: str
    seed: int | None
    pictures: dict[Column, Path]


@dataclass(frozen=True)
class Grid:
    """Rows in the order of the prompts, columns in the order of drawing."""

    rows: list[Row]
    columns: list[Column]


@dataclass(frozen=True)
class Picture:
    """What the name of a sample says."""

    path: Path
    column: Column
    prompt: int
    time: str  # 20261124101502
    seed: int | None


def grid(folder: RunFolder) -> Grid:
    """The samples of a run. A prompt that was drawn again, after a resume, shows its latest picture."""
    prompts = read_prompts(folder)
    pictures = sorted(read_pictures(folder.samples), key=lambda picture: (picture.time, picture.path.name))
    drawn = {picture.column: picture.time for picture in pictures}
    columns = sorted(drawn, key=lambda column: (column.number > 0, drawn[column], column))
    rows = []
    for number in range(max([len(prompts), *(picture.prompt + 1 for picture in pictures)])):
        own = [picture for picture in pictures if picture.prompt == number]
        prompt, seed = prompts[number] if number < len(prompts) else (f"Prompt {number + 1}", None)
        named = [picture.seed for picture in own if picture.seed is not None]
        rows.append(Row(prompt, named[-1] if named else seed, {picture.column: picture.path for picture in own}))
    return Grid([row for row in rows if row.pictures or row.prompt], columns)


def read_pictures(folder: Path) -> list[Picture]:
    """What is in a folder of samples; files with other names are none."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are enough, and there may be thousands
    except OSError:
        return []
    return [picture for name in names if (picture := read_name(folder / name))]


def read_name(path: Path) -> Picture | None:
    """What a file's name says; None where it is no sample."""
    said = NAME.fullmatch(path.stem) if path.suffix.lower() in SUFFIXES else None
    if said is None:
        return None
    number = int(said["number"])
    column = Column(number, is_epoch=bool(said["epoch"]) or number == 0)
    return Picture(path, column, int(said["prompt"]), said["time"], int(said["seed"]) if said["seed"] else None)


def read_prompts(folder: RunFolder) -> list[tuple[str, int | None]]:
    """(prompt, seed) in their order: of our settings, else of kohya's file. Empty where neither can be read."""
    try:
        settings = tomllib.loads(folder.config.read_text(encoding="utf-8"))
        return _prompts_of(settings)
    except (OSError, ValueError, TypeError, AttributeError):
        return _kohya_prompts(folder.path / KOHYA_PROMPTS)


def _prompts_of(settings: dict[str, Any]) -> list[tuple[str, int | None]]:
    sample = settings.get("sample", {})
    trigger, seed = settings.get("trigger", ""), int(sample.get("seed", 42))
    prompts = [str(prompt).replace("[trigger]", trigger) for prompt in sample.get("prompts", [])]
    return [(prompt, seed + number) for number, prompt in enumerate(prompts)]


def _kohya_prompts(path: Path) -> list[tuple[str, int | None]]:
    """One prompt a line, its options behind it: a robot --w 512 --d 42"""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    said = [line.strip().split(" --") for line in lines if line.strip() and not line.startswith("#")]
    seeds = [[int(option[2:]) for option in options if re.fullmatch(r"d \d{1,19}\s*", option)] for _, *options in said]
    return [(prompt, seed[0] if seed else None) for (prompt, *_), seed in zip(said, seeds, strict=True)]


_broken: set[str] = set()  # thumbnails that could not be made of a picture as it is


def thumbnail(folder: RunFolder, picture: Path) -> Path | None:
    """The picture made small, a .webp that is made once; None while the picture is broken or not whole yet.

    Its name changes when the picture does, so that browsers may keep it."""
    try:
        there = picture.stat()
    except OSError:
        return None
    small = folder.thumbnails / f"{picture.stem}-{there.st_mtime_ns:x}-{there.st_size:x}.webp"
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
        with Image.open(picture) as image:
            image.thumbnail((SIDE, SIDE))
            small.parent.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").save(beside, "WEBP", quality=82)
        beside.replace(small)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        beside.unlink(missing_ok=True)
        return False
    return True
