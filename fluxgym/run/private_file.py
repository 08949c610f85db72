"""Files with secrets in the settings of a person: readable by nobody else, changed by one at a time, whole or not there."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fluxgym.run import lock
from trainer.disk import sync_folder

PATIENCE = 5.0  # s; others hold the file for an instant


@contextlib.contextmanager
def hold_private(path: Path) -> Iterator[None]:
    """For one change. Makes the folder where there is none; one that is there keeps its mode. Raises OSError."""
    if not path.parent.is_dir():
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    with lock.hold(path.with_name(path.name + ".lock"), PATIENCE):
        yield


def write_private(path: Path, said: dict[str, Any]) -> None:
    """Writes JSON, readable by its owner alone from its first byte on. Call it while the file is held. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)  # of a writer that was killed
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)
