"""A run as its visitors see it: made once a second at most for all of them together, however many look.

Looking starts nothing and changes nothing: where a supervisor is missing, none is sent for. What the run itself says (its log,
its settings, the names of its files) goes through the run's redactor first.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxgym.access.redact import redactor_of
from fluxgym.log.history import History, get_history
from fluxgym.log.tail import tail
from fluxgym.run.folders import log_of, roots_of
from fluxgym.run.status import Status, read_status
from fluxgym.view.board import Entry, list_entries
from fluxgym.view.summary import Summary
from fluxgym.view.visitor_words import summarise_for_visitor
from trainer.folder import RunFolder

LASTS = 1.0  # s
LINES = 100
MOST_KEPT = 256
LARGEST_SETTINGS = 256 * 1024  # bytes; no settings are longer
CLUSTER = re.compile(
    r"^(?:\[slurm\].*(?:\n(?!\[).*)*|slurm\b.*)\n?", re.MULTILINE
)  # accounts, scripts: says nothing of the LoRA


@dataclass(frozen=True)
class Seen:
    """A run at this moment."""

    folder: RunFolder
    status: Status
    history: History
    summary: Summary


def look_at(folder: RunFolder) -> Seen:
    """How it goes. Raises OSError where its log cannot be read."""
    return _kept.get(("look", folder.path), lambda: _look(folder))


def read_lines(folder: RunFolder) -> list[str]:
    """The last lines of its log. Raises OSError."""
    return _kept.get(("lines", folder.path), lambda: _read_lines(folder))


def read_settings(folder: RunFolder) -> str:
    """What it was started with; empty where it has no such file."""
    return _kept.get(("settings", folder.path), lambda: _read_settings(folder))


def list_files(folder: RunFolder) -> list[Entry]:
    """Its LoRA files that are whole, the newest first."""
    return _kept.get(("files", folder.path), lambda: _list_files(folder))


def _look(folder: RunFolder) -> Seen:
    status = read_status(folder)
    history = get_history(log_of(folder))
    history.update()
    return Seen(folder, status, history, summarise_for_visitor(folder, status, history))


def _read_lines(folder: RunFolder) -> list[str]:
    log = log_of(folder)
    return redactor_of(folder).lines(tail(log, LINES).lines) if _is_inside(folder, log) else []


def _read_settings(folder: RunFolder) -> str:
    if not folder.config.is_file() or not _is_inside(folder, folder.config):
        return ""
    try:
        with folder.config.open("rb") as file:
            text = file.read(LARGEST_SETTINGS).decode("utf-8", "replace")
    except OSError:
        return ""
    return redactor_of(folder).text(CLUSTER.sub("", text))


def _is_inside(folder: RunFolder, path: Path) -> bool:
    """Whether it lies in the run's folder indeed: no link leads a visitor out of it."""
    return any(map(path.resolve().is_relative_to, roots_of(folder)))


def _list_files(folder: RunFolder) -> list[Entry]:
    entries = list_entries(folder, look_at(folder).history)
    return [entry for entry in entries if not entry.header.problem]


@dataclass
class _Answer:
    lock: Any = field(default_factory=threading.Lock)
    until: float = 0.0  # by the monotonic clock
    value: Any = None


class _Kept:
    """Answers that hold for a moment. Who asks for one that is being made waits for it instead of making it, too."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, Path], _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, Path], make: Callable[[], Any]) -> Any:
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_KEPT:
                self._answers.popitem(last=False)
        with answer.lock:
            if time.monotonic() >= answer.until:
                answer.value = make()
                answer.until = time.monotonic() + LASTS
            return answer.value


_kept = _Kept()
