"""Opening a folder to be read: one that is there and holds a training's log or LoRA files, of FluxGym or of another tool."""

import difflib
import itertools
import os
from pathlib import Path

from fluxgym.log.find import find_log
from fluxgym.run.folders import PROJECT, opened_root, run_at
from fluxgym.run.opened import OpenedFolder, place, remember
from trainer.folder import RunFolder

RECORD = "run.json"  # of a run of FluxGym that has not begun to write its log
LORAS = ("*.safetensors", "*/*.safetensors")  # beside the log, or in a folder for each checkpoint
READ = (".json", ".toml", ".yaml", ".txt", ".log", ".lock", ".safetensors")  # of a run, whatever tool wrote it
SHOWN = 3  # names that a message lists


class NotOpened(ValueError):
    """A path that cannot be opened; the message says what was got, what was expected, and what is near."""


def open_folder(text: str) -> RunFolder:
    """The folder that somebody means by a text. Raises as open_path does."""
    return open_path(parse_path(text))


def open_path(path: Path) -> RunFolder:
    """Remembers a folder that is there, so that the pages find it by its key, and gives it. Raises NotOpened, or OSError where
    nothing can be written below outputs/."""
    folder = look_at(path)
    return remember(opened_root(), folder.path, folder.log) if isinstance(folder, OpenedFolder) else folder


def look_at(path: Path) -> RunFolder:
    """A folder that is there; a run of ours stays a run of ours, any other is only to be read. Raises NotOpened."""
    path = path.resolve()
    if run := run_at(path):
        return run
    try:
        _refuse_pipes(path)
        return place(opened_root(), path, find_log(path))
    except FileNotFoundError as error:
        if not (path / RECORD).is_file() and not any(any(path.glob(pattern)) for pattern in LORAS):
            raise NotOpened(f"{error}, or LoRA files (*.safetensors); {_tell_content(path)}") from error
        return place(opened_root(), path, None)
    except OSError as error:
        raise NotOpened(f"got {path}, which cannot be read: {error.strerror or error}") from error


def look_again(folder: OpenedFolder) -> OpenedFolder:
    """The folder with the log that is its newest by now. For a whole page, not for each refresh."""
    try:
        log = find_log(folder.path)
        return folder if log == folder.log else remember(opened_root(), folder.path, log)
    except OSError:  # it is gone, or has no log, or is shown by somebody who cannot write
        return folder


def parse_path(text: str) -> Path:
    """The folder that somebody means: with quotes or a "~", relative to the project. Raises NotOpened."""
    said = text.strip()
    said = said[1:-1] if len(said) > 1 and said[0] == said[-1] and said[0] in "\"'" else said
    if not said:
        raise NotOpened("got no path, expected that of a folder on the machine where FluxGym runs")
    shown = said if len(said) <= 200 else f"{said[:200]}... ({len(said)} characters)"
    try:
        path = (PROJECT / Path(said).expanduser()).resolve()
        if path.is_dir():
            return path
        is_there = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a name that no file can have, or nobody's home
        raise NotOpened(f"got the path {shown!r}, expected a folder that is there: {error}") from error
    if is_there:
        raise NotOpened(f"got the file {path}, expected a folder; its own is {path.parent}")
    raise NotOpened(f"got the path {shown!r}, expected a folder that is there{_tell_near(path)}")


def _refuse_pipes(path: Path) -> None:
    """Whoever reads a pipe or a device in place of a file waits for ever. Raises NotOpened, or OSError."""
    with os.scandir(path) as entries:
        for entry in entries:
            is_read = entry.name.lower().endswith(READ) and not entry.is_file()
            if is_read and not entry.is_dir() and Path(entry.path).exists():  # a link that leads nowhere hurts nobody
                raise NotOpened(f"got {path}, in which {entry.name} is a pipe or a device, expected a file")


def _tell_near(path: Path) -> str:
    """What of the path is there, and what in it is called alike."""
    there = next(parent for parent in path.parents if parent.is_dir())
    missing = path.relative_to(there).parts[0]
    try:
        names = [each.name for each in itertools.islice(there.iterdir(), 1000) if each.is_dir()]
    except OSError:
        names = []
    near = difflib.get_close_matches(missing, names, n=SHOWN, cutoff=0.6)
    hint = f"; did you mean {' or '.join(str(there / name) for name in near)}?" if near else ""
    return f"; {there} is, {missing} is not in it{hint}" if len(missing) < 100 else ""


def _tell_content(path: Path) -> str:
    """it is empty; it holds a.txt, b and 17 more"""
    names = sorted(each.name for each in path.iterdir())
    if not names:
        return "it is empty"
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"it holds {', '.join(names[:SHOWN])}{more}"
