"""The logs of a run, each with the name by which an address knows it: this run's, those of earlier starts, the monitor's."""

from dataclasses import dataclass
from pathlib import Path

from fluxgym.run.folders import log_of
from trainer.folder import RunFolder

TRAINING, MONITOR = "training", "monitor"


@dataclass(frozen=True)
class Log:
    """One log. `key` names it in an address; `path` is where it lies, or would."""

    key: str
    title: str
    path: Path


def list_logs(folder: RunFolder) -> list[Log]:
    """All logs of a run, this run's first and the monitor's last."""
    return [Log(TRAINING, "This run", log_of(folder)), Log(MONITOR, "Monitor", folder.monitor_log)]


def find_log(folder: RunFolder, key: str) -> Log | None:
    """The log of that name; names are compared, never joined to a path."""
    return next((log for log in list_logs(folder) if log.key == key), None)
