"""The logs of a run, each with the name by which an address knows it: this run's, those of earlier starts, the monitor's."""

import time
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.parts import list_parts
from fluxgym.run.folders import log_of
from fluxgym.run.old_logs import list_archived
from trainer.folder import RunFolder

TRAINING, MONITOR = "training", "monitor"


@dataclass(frozen=True)
class Log:
    """One log. `key` names it in an address; `path` is where it lies, or would."""

    key: str
    title: str
    path: Path


def list_logs(folder: RunFolder) -> list[Log]:
    """All logs of a run: this run's and its monitor's, then those that were archived, the latest first."""
    found = [Log(TRAINING, "This run", log_of(folder)), Log(MONITOR, "Monitor", folder.monitor_log)]
    for archived in list_archived(folder):
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(archived.archived))
        if list_parts(archived.log):
            found.append(Log(f"{archived.path.name}-{TRAINING}", f"Archived {date}", archived.log))
        if archived.monitor.is_file():
            found.append(Log(f"{archived.path.name}-{MONITOR}", f"Monitor, archived {date}", archived.monitor))
    return found


def find_log(folder: RunFolder, key: str) -> Log | None:
    """The log of that name; names are compared, never joined to a path."""
    return next((log for log in list_logs(folder) if log.key == key), None)
