"""Which images of a data set are the same, byte for byte or nearly: shown twice as often, and held out for nothing.

Of each a small picture is enough: 242 bits say where it gets lighter from left to right and from top to bottom (a difference
hash, N. Krawetz 2013), and 16 colours keep apart what is drawn alike in other colours. A thousand take 0.1 s.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from PIL import Image

from trainer.picture import DAMAGED

GRID = 11  # by 11 fields, each compared with the next
NEAR = 18  # bits of 242 in which two that look alike may differ
COLOURS = 4  # by 4 fields
OFF = 14  # of 255: as far may their colours be off on average
STEP = 3  # of 255: what is smaller is noise


@dataclass(frozen=True)
class Print:
    """What is compared of one image."""

    bits: int
    colours: bytes

    def is_like(self, other: "Print") -> bool:
        if (self.bits ^ other.bits).bit_count() > NEAR:
            return False
        return sum(abs(a - b) for a, b in zip(self.colours, other.colours, strict=True)) <= OFF * len(self.colours)


@dataclass(frozen=True)
class Group:
    """Images that are alike, by key."""

    keys: tuple[str, ...]
    is_same: bool  # byte for byte


def find_print(picture: Path) -> Print | None:
    """Of a picture that is small already, or takes as long as its size. None where it cannot be opened."""
    try:
        return _find_print(picture, picture.stat().st_mtime_ns)
    except OSError:
        return None


def group_alike(prints: Mapping[str, Print], images: Mapping[str, Path]) -> list[Group]:
    """The groups of images that are alike, the same ones first. What is like two others makes them one."""
    same = [tuple(keys) for keys in _find_same(images)]
    twins = {key: keys[0] for keys in same for key in keys[1:]}
    singles = [(key, each) for key, each in prints.items() if key not in twins]
    pairs = [(a, b) for (a, one), (b, other) in combinations(singles, 2) if one.is_like(other)]
    return [Group(keys, True) for keys in same] + [Group(keys, False) for keys in _join(pairs)]


def _join(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    member: dict[str, set[str]] = {}
    for a, b in pairs:
        joined = member.get(a, {a}) | member.get(b, {b})
        member.update(dict.fromkeys(joined, joined))
    seen: set[str] = set()
    for key, group in member.items():
        if key not in seen:
            seen |= group
            yield tuple(sorted(group))


def _find_same(images: Mapping[str, Path]) -> Iterator[list[str]]:
    """Only files of one size are read."""
    by_size = defaultdict(list)
    for key, path in images.items():
        by_size[_size_of(path)].append(key)
    for size, keys in by_size.items():
        by_digest = defaultdict(list)
        for key in keys if size and len(keys) > 1 else []:
            by_digest[_digest(images[key], images[key].stat().st_mtime_ns)].append(key)
        yield from (sorted(alike) for alike in by_digest.values() if len(alike) > 1)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


@lru_cache(maxsize=20_000)
def _digest(path: Path, _modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=50_000)
def _find_print(picture: Path, _modified: int) -> Print | None:
    try:
        with Image.open(picture) as image:
            image.draft("RGB", (128, 128))
            plain = image.convert("RGB")
    except DAMAGED:
        return None
    grey = plain.convert("L")
    across, down = _list_lighter(grey), _list_lighter(grey.transpose(Image.Transpose.TRANSPOSE))
    bits = int("".join("1" if each else "0" for each in [*across, *down]), 2)
    return Print(bits, plain.resize((COLOURS, COLOURS), Image.Resampling.BOX).tobytes())


def _list_lighter(grey: Image.Image) -> list[bool]:
    """Of a grid of fields, whether each is darker than the one on its right."""
    fields = grey.resize((GRID + 1, GRID), Image.Resampling.BOX).tobytes()
    return [fields[at + 1] > fields[at] + STEP for at in range(len(fields)) if (at + 1) % (GRID + 1)]
