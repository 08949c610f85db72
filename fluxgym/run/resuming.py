"""From where a run can go on: the states that are whole, those that are not and why, and what is left to do from each."""

from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.history import History
from fluxgym.run import kohya
from fluxgym.run.folders import PROJECT
from fluxgym.run.record import Record, read_record
from trainer.folder import RunFolder, State


@dataclass(frozen=True)
class Left:
    """What a resume from a state would have to do."""

    steps: int
    seconds: float | None  # None: at a pace that is not known


def find_states(folder: RunFolder, record: Record | None = None) -> list[State]:
    """All states of a run by step, damaged ones included (see State.problem); of a command that is not ours: kohya's."""
    record = record or read_record(folder)
    if record is None or not record.any_command:
        return folder.states()
    if not kohya.is_kohya(record.command):
        return []
    return kohya.find_states([folder.path, *_announced_folders(folder, record)])


def last_state(states: list[State]) -> State | None:
    """The furthest one that can be resumed from."""
    return next((state for state in reversed(states) if not state.problem), None)


def best_state(record: Record | None, states: list[State]) -> State | None:
    """The furthest whole one from before the loss was no number; where there is none, the furthest that can be resumed from."""
    since = record.nan_at if record else None
    return last_state([state for state in states if since is None or state.step < since]) or last_state(states)


def can_begin_anew(folder: RunFolder, record: Record, states: list[State]) -> bool:
    """Whether a resume without any state may begin at the beginning: nothing that was made is overwritten then.

    What another command does with its files is its own matter: it is started again as it was typed."""
    if record.any_command:
        return last_state(states) is None
    return not states and not folder.loras()


def announced(history: History, record: Record) -> list[Path]:
    """The files that the log says were saved, found from where the command was started, as far as they can be looked at."""
    start = Path(record.cwd) if record.cwd else PROJECT
    return [path for name in history.checkpoints if _can_be_looked_at(path := start / name)]


def find_left(state: State, history: History, epochs: int | None = None) -> Left | None:
    """What is left from a state to the end of so many epochs; None: as many as before. With all that is done between steps.

    None where the log does not say how long the training is."""
    total = history.total_steps
    if not total:
        return None
    if epochs and history.total_epochs:
        total = total * epochs // history.total_epochs
    steps = max(0, total - state.step)
    return Left(steps, history.curve.eta_seconds(steps))


def _announced_folders(folder: RunFolder, record: Record) -> set[Path]:
    history = History(folder.training_log, keep_curve=False)
    try:
        history.update()
    except OSError:  # then only the run's own folder is looked at
        return set()
    return {path.parent for path in announced(history, record)}


def _can_be_looked_at(path: Path) -> bool:
    """A log may name what no file can be called, or what is somebody else's; neither may hide how a run ended."""
    try:
        path.is_file()
        path.parent.is_dir()
    except OSError:
        return False
    return True
