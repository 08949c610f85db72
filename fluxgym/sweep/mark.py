"""sweep.json: of which sweep a run is, and what was set for it there. It lies in the folder of each run of a sweep."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from fluxgym.run.folders import outputs_root
from trainer.disk import write_whole
from trainer.folder import RunFolder

VERSION = 1
LARGEST = 100_000  # bytes of one that is read
ASIDE = (
    *("sample.", "save.", "memory.", "speed.", "log.", "slurm."),  # all of these sections
    *("name", "model.device", "train.gradient_checkpointing"),
)


@dataclass(frozen=True)
class Mark:
    """What sweep.json says. `chosen`: the values of what was varied, by their place in config.toml. `begun_with`: a number that
    is made of all settings; those in config.toml may be others by now, of a run that was resumed."""

    sweep: str
    chosen: dict[str, Any] = field(default_factory=dict, hash=False)
    begun_with: str = ""


def write_mark(folder: RunFolder, mark: Mark) -> None:
    """Keeps it; a reader sees all of it or none."""
    said = {"version": VERSION, "sweep": mark.sweep, "set": mark.chosen, "begun_with": mark.begun_with}
    write_whole(folder.sweep, json.dumps(said, indent=1).encode())


def read_mark(folder: RunFolder) -> Mark | None:
    """None for a run of no sweep, or where the file is damaged: the run is one like any other then. Raises nothing."""
    try:
        with folder.sweep.open("rb") as file:
            said = json.loads(file.read(LARGEST))
        return Mark(str(said["sweep"]), dict(said["set"]), str(said.get("begun_with", "")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def has_weight(key: str) -> bool:
    """Whether runs that differ in this setting learn or measure otherwise for it: not where it says how fast or in how much
    memory they train, or what is drawn and kept of them."""
    return not key.startswith(ASIDE)


def find_members(sweep: str) -> list[RunFolder]:
    """The runs of a sweep, in the order of what was set. The name of each begins with that of the sweep, so no other folder is
    looked into."""
    try:
        with os.scandir(outputs_root()) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(f"{sweep}-")]
    except (OSError, ValueError):  # no outputs yet, or a name that no folder can have
        return []
    marked = [(folder, read_mark(folder)) for folder in (RunFolder(outputs_root() / name) for name in names)]
    found = {folder: mark.chosen for folder, mark in marked if mark and mark.sweep == sweep}
    return sorted(found, key=lambda folder: ([_rank(value) for value in found[folder].values()], folder.name))


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then all else by its letters."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1, 0.0, str(value))
