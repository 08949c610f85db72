"""Images taken out of an uploaded data set, and one put in another's place. What went last can be brought back."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from fluxgym.dataset.captions import WRITING, find_image, forget
from fluxgym.dataset.images import check_image, is_uploaded
from fluxgym.dataset.naming import stem_of
from trainer.disk import write_whole
from trainer.layouts import METADATA
from trainer.listing import CAPTIONS, IMAGES, MASK, find_mask, list_files

REMOVED = ".removed"  # in the data set: what went last; the one before it goes for good
LINES = "lines.json"  # of metadata.jsonl


def remove_images(place: Path, keys: Sequence[str]) -> int:
    """Takes images out with their captions and masks. Returns how many. Raises ValueError, OSError."""
    images = [find_image(_check(place), key).path for key in keys]
    for image in images:
        if not image.is_relative_to(place):
            raise ValueError(f"got {image}, expected an image within {place}")
    return _set_aside(place, [file for image in images for file in _files_of(image, images)], images) if images else 0


def remove_lonely(place: Path, names: Iterable[str]) -> int:
    """Takes captions out that have no image. Raises ValueError, OSError."""
    wanted = set(names)
    return _set_aside(place, [path for path in list_files(_check(place)).lonely if path.name in wanted], [])


def find_removed(place: Path) -> int:
    """How many images can be brought back, or captions where none was an image."""
    files = list(_list_files(place / REMOVED))
    return sum(path.suffix.lower() in IMAGES and not path.stem.endswith(MASK) for path in files) or len(files)


def bring_back(place: Path) -> list[str]:
    """Puts back what was removed last. Returns the names of what stays away: something of its name is there again."""
    removed = _check(place) / REMOVED
    with WRITING:
        there = {path: place / path.relative_to(removed) for path in _list_files(removed)}
        others = {_group(path) for path, target in there.items() if target.exists() and _has_image(target)}
        back = {path: to for path, to in there.items() if not to.exists() and _group(path) not in others}
        _bring_lines(place, removed / LINES, set(back.values()))
        for path, target in back.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        if len(back) == len(there):
            shutil.rmtree(removed, ignore_errors=True)
        forget([place])
    return [path.name for path in there if path not in back]


def replace_image(place: Path, key: str, data: Path) -> str:
    """Puts the image in the file `data`, whose suffix says what it is, in the place of another, whose caption it gets.
    Returns its key. Raises ValueError, OSError."""
    image = find_image(_check(place), key)
    suffix = data.suffix.lower()
    if suffix not in IMAGES:
        raise ValueError(f"got a {suffix or 'file without a suffix'}, expected an image ({', '.join(IMAGES)})")
    check_image(image.name, data, whole=True)
    target = image.path.with_suffix(suffix)
    if target != image.path and target.exists():
        raise ValueError(f"got a {suffix} for {image.name}, expected another kind: there is a {target.name} already")
    with WRITING:
        data.replace(target)
        if target != image.path:
            _rename_in_metadata(place, image.path, target)
            image.path.unlink()
        forget([place])
    return target.relative_to(place).as_posix()


def _check(place: Path) -> Path:
    if not is_uploaded(place) or not place.is_dir():
        raise ValueError("images are removed from data sets that were uploaded only: this folder is somebody else's")
    return place


def _files_of(image: Path, going: Sequence[Path]) -> list[Path]:
    captions = (image.with_suffix(suffix) for suffix in CAPTIONS)
    others = (path for path in image.parent.iterdir() if path.stem == image.stem and path not in going)
    is_shared = any(path.suffix.lower() in IMAGES for path in others)  # cat.png beside cat.jpg: one caption for both
    mask = find_mask(image)
    return [image] if is_shared else [image, *filter(Path.is_file, captions), *([mask] if mask else [])]


def _group(path: Path) -> Path:
    """The same for an image, its caption and its mask."""
    return path.with_name(stem_of(path))


def _has_image(file: Path) -> bool:
    """Whether an image is there that this caption or mask, or the caption of this image, is about."""
    return any(_group(path) == _group(file) for path in list_files(file.parent).images)


def _set_aside(place: Path, files: Sequence[Path], images: Sequence[Path]) -> int:
    removed = place / REMOVED
    with WRITING:
        shutil.rmtree(removed, ignore_errors=True)
        removed.mkdir()
        if images and (place / METADATA).is_file():
            lines = _list_lines(place / METADATA, set(images))
            write_whole(removed / LINES, json.dumps(lines).encode())  # first: what is interrupted can be brought back, too
            _take_lines(place / METADATA, set(images))
        for path in dict.fromkeys(files):
            target = removed / path.relative_to(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        forget([place])
    return len(images) or len(files)


def _list_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LINES] if folder.is_dir() else []


# ---- metadata.jsonl ----------------------------------------------------------------------------------------------------
def _list_lines(file: Path, images: set[Path]) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8-sig").split("\n") if _named(file, line) in images]


def _bring_lines(place: Path, kept: Path, images: set[Path]) -> None:
    """Those of images that come back; the others are kept on."""
    lines = json.loads(kept.read_bytes()) if kept.is_file() else []
    file = place / METADATA
    coming = [line for line in lines if _named(file, line) in images]
    if coming:
        _add_lines(file, coming)
        write_whole(kept, json.dumps([line for line in lines if line not in coming]).encode())


def _take_lines(file: Path, images: set[Path]) -> list[str]:
    """Takes the lines that name these images out of it: a line without its image stops a training."""
    taken = _list_lines(file, images)
    if taken:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
        write_whole(file, "\n".join(line for line in lines if _named(file, line) not in images).encode())
    return taken


def _add_lines(file: Path, lines: Sequence[str]) -> None:
    there = file.read_text(encoding="utf-8-sig").rstrip("\n") if file.is_file() else ""
    if lines:
        write_whole(file, ("\n".join([*([there] if there else []), *lines]) + "\n").encode())


def _rename_in_metadata(place: Path, old: Path, new: Path) -> None:
    file = place / METADATA
    lines = _take_lines(file, {old}) if file.is_file() else []
    said = [{**json.loads(line), "file_name": new.relative_to(place).as_posix()} for line in lines]
    _add_lines(file, [json.dumps(each, ensure_ascii=False) for each in said])


def _named(file: Path, line: str) -> Path | None:
    """The image that a line names, if it can be read."""
    try:
        return file.parent / str(json.loads(line)["file_name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
