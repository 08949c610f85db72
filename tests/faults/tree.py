"""What the fault cases share: what is started, who is alive, what the logs have."""

import contextlib
import sys
from pathlib import Path

from fluxgym.log.history import get_history
from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.launch import start_run
from fluxgym.run.record import read_record
from trainer.folder import RunFolder

SMALL = Path(__file__).parent.parent / "small_training.py"
NO_TURN = Care(place=NONE)
RUNNING = ("--steps", "20000")


def small_command(folder: RunFolder, *options: str) -> list[str]:
    """tests/small_training.py on a folder."""
    return [sys.executable, str(SMALL), str(folder.path), *options]


def start_command(folder: RunFolder, command: list[str]) -> RunFolder:
    """A run of any command, in a folder made for it; it waits for no turn."""
    folder.path.mkdir(exist_ok=True)
    write_care(folder, NO_TURN)
    start_run(folder, command)
    return folder


def text_of(path: Path) -> str:
    """The file's text; empty while it is not there."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def steps_in(folder: RunFolder) -> int:
    """How many steps the training's log tells of."""
    return text_of(folder.training_log).count("steps:")


def steps_of(folder: RunFolder) -> list[int]:
    """The steps that the training's log tells of, each as often as it does."""
    history = get_history(folder.training_log)
    history.update()
    return list(history.steps)


def is_guarded(folder: RunFolder) -> bool:
    """Whether the supervisor that the record names lives."""
    record = read_record(folder)
    return bool(record and record.supervisor and record.supervisor.alive())


def fill_disk(disk: Path, logs: bool = True) -> None:
    """Not a block more: a file takes all of them. With `logs` not a byte more in these either, whose last block has room."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for path in disk.rglob("*.log") if logs else ():
        with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(b"\n")


def empty_disk(disk: Path) -> None:
    """Room again."""
    (disk / "filler").unlink()
