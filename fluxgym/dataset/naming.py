"""What arriving files are to be called: plain names that fit every system, each its own, an image and its caption the same.

The names follow from all that arrives together, so that the same folder gets the same names again."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import chain, count
from pathlib import Path, PurePath, PurePosixPath

from trainer.layouts import NUMBERED
from trainer.listing import CAPTIONS, IMAGES, MASK, list_files

ZIP = ".zip"
JUNK = ("thumbs.db", "desktop.ini")  # what systems leave in folders, in lower case
JUNK_FOLDERS = ("__macosx",)
LONGEST = 80  # characters of a stem
LETTERS = re.compile(r"[^\w.-]+")


def name_all(paths: Sequence[str], taken: Collection[str] = (), flatten: bool = False) -> list[PurePath]:
    """A name for each of the images and captions that arrive together, by the paths from which they come.

    `taken`: stems that are in use for something else. Folders as kohya numbers them stay unless `flatten`, others
    are left out of the names."""
    parts = [PurePosixPath(path.replace("\\", "/")) for path in paths]
    keeps = not flatten and _is_numbered(parts)
    used: dict[str, set[str]] = defaultdict(set, {"": {stem.casefold() for stem in taken}})
    stems: dict[tuple[PurePosixPath, str], tuple[str, str]] = {}
    for group in sorted({(path.parent, stem_of(path)) for path in parts}):
        folder = _plain_folder(group[0].name) if keeps else ""
        stems[group] = (folder, _choose(group, used[folder]))
        used[folder].add(stems[group][1].casefold())
    names: dict[PurePath, None] = {}
    for path in parts:
        names[_free(*stems[path.parent, stem_of(path)], path, names)] = None
    return list(names)


def check(name: str) -> PurePath:
    """A name that `name_all` could have given, or that of a zip. Raises ValueError."""
    path = PurePath(name)
    *folders, last = path.parts or ("",)
    match = NUMBERED.fullmatch(folders[0]) if len(folders) == 1 else None
    is_plain = not last.startswith(".") and not any(LETTERS.search(part) for part in path.parts)
    is_kind = path.suffix in (*IMAGES, ZIP, *CAPTIONS) and len(last) <= LONGEST + 2 * len(MASK) + 60
    if path.is_absolute() or path.as_posix() != name or not (is_plain and is_kind and (not folders or match)):
        raise ValueError(f"got the name {name[:200]!r}, expected one as the plan gives it")
    return path


def find_reason(path: str) -> str | None:
    """Why a file is not taken; empty for what no person put there, None for one that is taken."""
    name = PurePosixPath(path.replace("\\", "/"))
    if is_junk(path):
        return ""
    suffix = name.suffix.lower()
    if suffix in (*IMAGES, ZIP) or suffix in (each.lower() for each in CAPTIONS):
        return None
    return f"got {name.name!r}, expected an image ({', '.join(IMAGES)}), a caption (.txt, .caption) or a {ZIP}"


def is_junk(path: str) -> bool:
    """What systems put beside people's files: hidden ones, indexes, the halves of macOS."""
    name = PurePosixPath(path.replace("\\", "/"))
    folders = (part.lower() for part in name.parts[:-1])
    return name.name.startswith(".") or name.name.lower() in JUNK or any(part in JUNK_FOLDERS for part in folders)


def stem_of(path: PurePath) -> str:
    """What an image, its caption and its mask have in common."""
    return path.stem.removesuffix(MASK)


def is_about(path: PurePath) -> bool:
    """Whether it belongs to an image: a caption or a mask."""
    return path.suffix.lower() in CAPTIONS or path.stem.endswith(MASK)


def list_stems(place: Path) -> frozenset[str]:
    """Those that are in use in a data set."""
    return frozenset(stem_of(path) for path in place.iterdir()) if place.is_dir() else frozenset()


def is_flat(place: Path) -> bool:
    """Whether a data set has its images in no folder: then the trainer would not look into one."""
    return place.is_dir() and bool(list_files(place).images)


def _plain(stem: str) -> str:
    ends = MASK if stem.endswith(MASK) else ""
    plain = unicodedata.normalize("NFKC", stem.removesuffix(ends))
    return (LETTERS.sub("_", plain).strip("._")[:LONGEST] or "image") + ends


def _plain_folder(name: str) -> str:
    repeats, _, rest = name.partition("_")
    return f"{repeats}_{_plain(rest)}"


def _is_numbered(paths: Sequence[PurePosixPath]) -> bool:
    images = [path for path in paths if path.suffix.lower() in IMAGES]
    matches = [NUMBERED.fullmatch(path.parent.name) for path in images]
    return bool(matches) and all(match and int(match[1]) for match in matches)


def _choose(group: tuple[PurePosixPath, str], used: Collection[str]) -> str:
    folder, stem = group
    plain = _plain(stem)
    with_folder = [f"{_plain(folder.name)[:40]}_{plain}"] if folder.name else []
    numbered = (f"{plain}-{number}" for number in count(2))
    return next(each for each in chain([plain], with_folder, numbered) if each.casefold() not in used)


def _free(folder: str, stem: str, path: PurePosixPath, names: Collection[PurePath]) -> PurePath:
    """cat.PNG beside cat.png: they are one on some systems."""
    mask = MASK if path.stem.endswith(MASK) else ""
    candidates = (f"{stem}{more}{mask}{path.suffix.lower()}" for more in chain([""], (f"-{n}" for n in count(2))))
    return next(name for each in candidates if (name := PurePath(folder, each)) not in names)
