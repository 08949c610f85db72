"""The data sets below datasets/: folders of images and captions, each for any number of runs. The folder is the truth."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fluxgym.dataset.captioning import find_captioning
from fluxgym.dataset.captions import find_version, forget, read_captions
from fluxgym.dataset.images import datasets_root, expand
from fluxgym.run.folders import PROJECT, outputs_root
from fluxgym.run.index import Known, get_index
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.run.status import read_status
from trainer.folder import RunFolder, check_name

SETTINGS = ("folder", "regularisation", "masks")  # of [data]: those that may name a data set
_GOING = ".going-"  # begins the name of a data set that is being deleted
_summaries: dict[Path, tuple[str, "Summary"]] = {}  # by place, with the version that they are of


class SetError(ValueError):
    """What cannot be done with a data set."""


@dataclass(frozen=True)
class Summary:
    """What a list says of a data set."""

    images: list[Path]
    captioned: int
    size: int  # bytes, with all that lies in it
    changed: float  # s since 1970: the newest of its files
    problem: str = ""  # why nothing is learned from it as it is; captions without an image are told of beside the others


def list_sets() -> list[Path]:
    """Every data set, the most recently changed first."""
    try:
        there = [path for path in datasets_root().iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []
    return sorted(there, key=lambda path: (-_last_changed(path), path.name))


def find_set(name: str) -> Path | None:
    """The data set of this name, which is compared, never joined to a path."""
    return next((path for path in list_sets() if path.name == name), None)


def make_set(name: str) -> Path:
    """An empty one. Raises SetError, OSError."""
    path = datasets_root() / _check_free(name)
    path.mkdir(parents=True)
    return path


def rename_set(path: Path, name: str) -> Path:
    """Raises SetError, OSError. The settings of runs that used it go on naming the old one."""
    _check_idle(path, "renamed")
    is_other_case = name.lower() == path.name.lower() and name != path.name
    target = path.with_name(check_set_name(name) if is_other_case else _check_free(name))
    path.rename(target)
    forget([path])
    return target


def delete_set(path: Path) -> None:
    """All of it. Raises SetError, OSError."""
    _check_idle(path, "deleted")
    going = path.with_name(f"{_GOING}{path.name}-{os.getpid()}")
    path.rename(going)  # at once, so that nobody sees half of it
    shutil.rmtree(going)
    forget([path])


def check_set_name(name: str) -> str:
    """Raises SetError."""
    try:
        return check_name(name)
    except ValueError as error:
        raise SetError(str(error)) from error


def find_users(path: Path) -> list[RunFolder]:
    """The runs whose settings name this data set or a part of it, the most recent first."""
    runs = get_index(outputs_root()).look(glance=True)
    return _filter_users(path, [*runs.open, *runs.ended])


def list_active_users(path: Path) -> list[RunFolder]:
    """Those that are under way or wait for their turn: they read it, or will."""
    runs = get_index(outputs_root()).look()
    return [folder for folder in _filter_users(path, runs.open) if read_status(folder).is_active]


def _filter_users(path: Path, runs: Sequence[Known]) -> list[RunFolder]:
    wanted = path.resolve()
    return [known.folder for known in runs if any(_is_within(place, wanted) for place in _list_places(known.folder))]


def is_named(given: str, path: Path) -> bool:
    """Whether a setting names this data set, which need not be there any more."""
    try:
        return bool(given) and (PROJECT / expand(given)).resolve() == path.resolve()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def summarise(path: Path) -> Summary:
    """Reads every caption, and no image; only where a file was written, added or removed since."""
    version = find_version(path)
    known = _summaries.get(path)
    if known is None or known[0] != version:
        known = _summaries[path] = (version, _summarise(path))
    return known[1]


def _summarise(path: Path) -> Summary:
    found = read_captions(path)
    sizes = [there.st_size for file in path.rglob("*") if (there := _look(file))]
    captioned = sum(bool(image.text or image.learned) for image in found.images)
    problem = found.problems[0] if found.problems and found.images and not found.lonely else ""
    return Summary([image.path for image in found.images], captioned, sum(sizes), _last_changed(path), problem)


def _check_free(name: str) -> str:
    check_set_name(name)
    taken = {path.name.lower(): path.name for path in list_sets()}  # on some systems Cat and cat are one folder
    if name.lower() in taken:
        raise SetError(f"got the name {name!r}, expected another one: there is a data set {taken[name.lower()]} already")
    return name


def _check_idle(path: Path, what: str) -> None:
    if find_set(path.name) is None:
        raise SetError(f"got the data set {path.name!r}, expected one that is there")
    if active := [folder.name for folder in list_active_users(path)]:
        raise SetError(f"{path.name} is in use by {', '.join(active)}; it can be {what} when that has ended")
    if (job := find_captioning(path)) and job.is_active:
        raise SetError(f"captions are being written for {path.name}; it can be {what} when that has ended")


def _list_places(folder: RunFolder) -> list[Path]:
    try:
        return _read_places(folder, folder.config.stat().st_mtime_ns)
    except OSError:  # a run of another tool has none
        return []


@lru_cache(maxsize=20_000)
def _read_places(folder: RunFolder, _modified: int) -> list[Path]:
    try:
        data: Any = read_settings(folder).get("data", {})
        said = [data[key] for key in SETTINGS if isinstance(data.get(key), str) and data[key]]
        return [(PROJECT / Path(place).expanduser()).resolve() for place in said]
    except (SettingsError, AttributeError, ValueError, RuntimeError, OSError):
        return []


def _is_within(place: Path, folder: Path) -> bool:
    return place == folder or folder in place.parents


def _look(file: Path) -> os.stat_result | None:
    try:
        return file.stat() if file.is_file() else None
    except OSError:
        return None


def _last_changed(path: Path) -> float:
    """A file that is written beside and renamed changes its folder's time, too."""
    there = _stat(path)
    return max([there, *(_stat(child) for child in path.iterdir() if child.is_dir())]) if there else 0.0


def _stat(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
