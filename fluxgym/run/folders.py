"""Where the runs are: one folder each below the outputs root."""

import contextlib
import difflib
import itertools
import os
import time
from pathlib import Path

from fluxgym.log.disk_clock import ours
from fluxgym.run.opened import OpenedFolder, read_opened
from trainer.folder import RunFolder

PROJECT = Path(__file__).resolve().parent.parent.parent
OTHER_LOGS = ("train.log", "log.txt")  # as other tools call theirs
QUIET = 3.0  # s after the root's last change in which a second one may have left it the same time
_listed: dict[Path, tuple[tuple[int, ...], frozenset[str]]] = {}  # the names below a root, and its stamp


class NoSuchRun(ValueError):
    """No run has this name. Which ones are called alike is looked for when somebody reads what it says."""

    def __init__(self, name: str, root: Path):
        super().__init__(name)
        self.name, self.root = name, root

    def __str__(self) -> str:
        names = sorted(filter(is_text, {folder.name for folder in [*list_opened(), *list_runs()]}))
        near = difflib.get_close_matches(self.name, names, n=3, cutoff=0.5)
        shown = self.name if len(self.name) <= 80 else f"{self.name[:80]}... ({len(self.name)} characters)"
        count = "there is 1 run" if len(names) == 1 else f"there are {len(names):,} runs"
        hint = f"did you mean {' or '.join(near)}?" if near else f"{count} there"
        return f"got the run {shown!r}, expected one in {self.root}; {hint}"


def outputs_root() -> Path:
    """FLUXGYM_OUTPUTS (a pod's volume, say), or outputs/ in the project. Relative: from the project's folder."""
    return PROJECT / Path(os.environ.get("FLUXGYM_OUTPUTS") or "outputs").expanduser()


def list_runs() -> list[RunFolder]:
    """Every folder that holds a run, ours or another tool's, the most recently written first. It asks for each folder's files:
    where that is done again and again, fluxgym.run.index knows it already."""
    written = {folder: _last_written(folder) for folder in list_folders()}
    return sorted((folder for folder in written if written[folder]), key=lambda folder: (-written[folder], folder.name))


def list_folders() -> list[RunFolder]:
    """Every folder that may hold a run."""
    root = outputs_root()
    return [RunFolder(root / name) for name in _list_names(root)]


def has_run(name: str) -> bool:
    """Whether a run has this name, which is compared, never joined to a path."""
    root = outputs_root()
    return name in _list_names(root) and _last_written(RunFolder(root / name)) > 0


def run_at(path: Path) -> RunFolder | None:
    """The run whose folder, or the link to it, leads to a resolved path."""
    root = outputs_root()
    if path.parent == root.resolve():
        return RunFolder(root / path.name) if has_run(path.name) else None
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        links = [entry.name for entry in entries if entry.is_symlink() and has_run(entry.name)]
        return next((RunFolder(root / name) for name in sorted(links) if (root / name).resolve() == path), None)
    return None


def touch_root(folder: RunFolder) -> None:
    """Says that something in a run's folder is new that the root's own time does not tell: who looks at many runs asks that."""
    if not folder.is_read_only:
        with contextlib.suppress(OSError):  # a root of somebody else's is looked at as a whole now and then
            os.utime(folder.path.parent)


def opened_root() -> Path:
    """Where it is kept which folders were opened to be read."""
    return outputs_root() / ".opened"


def list_opened() -> list[OpenedFolder]:
    """The folders that were opened to be read, the last opened first; those that are gone too."""
    return read_opened(opened_root())


def find_run(name: str) -> RunFolder:
    """The run, or the opened folder, of this name, which is compared, never joined to a path. Raises NoSuchRun."""
    if has_run(name):
        return RunFolder(outputs_root() / name)
    found = next((folder for folder in list_opened() if folder.name == name), None)
    if found is None:
        raise NoSuchRun(name, outputs_root())
    return found


def free_name(name: str) -> str:
    """The name itself, or with the first number behind it that no run has: demo, demo-2, demo-3."""
    stem, _, number = name.rpartition("-")
    stem = stem if stem and number.isdigit() else name
    numbered = (f"{stem}-{count}" for count in itertools.count(2))
    return next(each for each in numbered if not has_run(each)) if has_run(name) else name


def log_of(folder: RunFolder) -> Path:
    """The training's log: ours, or another tool's where that is the one there."""
    if isinstance(folder, OpenedFolder):
        return folder.log
    others = (folder.path / name for name in OTHER_LOGS if not folder.training_log.exists())
    return next(filter(Path.is_file, others), folder.training_log)


def roots_of(folder: RunFolder) -> list[Path]:
    """The real folders in which its files lie: its own, and that of the pages' notes of one that is only read."""
    return [path.resolve() for path in ([folder.path, folder.kept] if isinstance(folder, OpenedFolder) else [folder.path])]


def shown_path(path: Path) -> str:
    """Relative to the project where it lies inside, as command lines and logs print it; absolute elsewhere."""
    path = path.absolute()
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def is_text(name: str) -> bool:
    """Whether a file's name can be shown and sent: Linux takes any bytes, as of an archive from elsewhere."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _list_names(root: Path) -> frozenset[str]:
    """Of all folders that may hold a run; asked again only where one may have come or gone."""
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # on NFS this asks the server
    except OSError:
        return frozenset()
    try:
        there = os.fstat(handle)
        stamp = there.st_dev, there.st_ino, there.st_mtime_ns
        if root in _listed and _listed[root][0] == stamp:
            return _listed[root][1]
        with os.scandir(handle) as entries:
            names = frozenset(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return frozenset()
    finally:
        os.close(handle)
    if time.time() - ours(there.st_mtime, there.st_dev) > QUIET:
        _listed[root] = stamp, names
    return names


def _last_written(folder: RunFolder) -> float:
    """Time of the newest of the files that make a folder a run; 0 when none is there."""
    return max(map(_modified, (folder.config, folder.record, log_of(folder))))


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
