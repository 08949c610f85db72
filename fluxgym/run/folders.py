"""Where the runs are: one folder each below the outputs root."""

import difflib
import itertools
import os
from pathlib import Path

from fluxgym.run.opened import OpenedFolder, read_opened
from trainer.folder import RunFolder

PROJECT = Path(__file__).resolve().parent.parent.parent
OTHER_LOGS = ("train.log", "log.txt")  # as other tools call theirs


class NoSuchRun(ValueError):
    """No run has this name. `near` holds names that look like it."""

    def __init__(self, name: str, root: Path, names: list[str]):
        self.name, self.near = name, difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        shown = name if len(name) <= 80 else f"{name[:80]}... ({len(name)} characters)"
        count = "there is 1 run" if len(names) == 1 else f"there are {len(names)} runs"
        hint = f"did you mean {' or '.join(self.near)}?" if self.near else f"{count} there"
        super().__init__(f"got the run {shown!r}, expected one in {root}; {hint}")


def outputs_root() -> Path:
    """FLUXGYM_OUTPUTS (a pod's volume, say), or outputs/ in the project. Relative: from the project's folder."""
    return PROJECT / Path(os.environ.get("FLUXGYM_OUTPUTS") or "outputs").expanduser()


def list_runs() -> list[RunFolder]:
    """Every folder that holds a run, ours or another tool's, the most recently written first."""
    written = {folder: _last_written(folder) for folder in _list_folders()}
    return sorted((folder for folder in written if written[folder]), key=lambda folder: (-written[folder], folder.name))


def opened_root() -> Path:
    """Where it is kept which folders were opened to be read."""
    return outputs_root() / ".opened"


def list_opened() -> list[OpenedFolder]:
    """The folders that were opened to be read, the last opened first; those that are gone too."""
    return read_opened(opened_root())


def find_run(name: str) -> RunFolder:
    """The run, or the opened folder, of this name, which is compared, never joined to a path. Raises NoSuchRun."""
    run = next((folder for folder in _list_folders() if folder.name == name and _last_written(folder)), None)
    found = run or next((folder for folder in list_opened() if folder.name == name), None)
    if found is None:
        names = {folder.name for folder in [*list_opened(), *list_runs()]}
        raise NoSuchRun(name, outputs_root(), sorted(filter(is_text, names)))
    return found


def list_shared() -> list[RunFolder]:
    """Every folder, ours or opened, for which links were made."""
    return [folder for folder in [*_list_folders(), *list_opened()] if folder.share.is_file()]


def free_name(name: str) -> str:
    """The name itself, or with the first number behind it that no run has: demo, demo-2, demo-3."""
    taken = {folder.name for folder in list_runs()}
    stem, _, number = name.rpartition("-")
    stem = stem if stem and number.isdigit() else name
    numbered = (f"{stem}-{count}" for count in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


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


def _list_folders() -> list[RunFolder]:
    """Every folder that may hold a run."""
    try:
        return [RunFolder(path) for path in outputs_root().iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _last_written(folder: RunFolder) -> float:
    """Time of the newest of the files that make a folder a run; 0 when none is there."""
    return max(map(_modified, (folder.config, folder.record, log_of(folder))))


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
