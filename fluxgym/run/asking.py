"""What a person can ask of a run that waits or trains, beside its end: another place in the line, a checkpoint, samples."""

from pathlib import Path

from fluxgym.run.launch import RunError, RunIsNotActive, look_after, refuse_read_only
from fluxgym.run.queue import move
from fluxgym.run.status import Status, read_status
from trainer.folder import RunFolder


def move_run(folder: RunFolder, by: int | str) -> Status:
    """Moves a waiting run in the line: -1 up, 1 down, "first" to its head. Raises RunIsNotActive where it does not wait, and
    RunError where it is not in the line yet."""
    refuse_read_only(folder)
    status = look_after(folder)
    if status.state != "queued":
        raise RunIsNotActive(folder, f"{folder.name} does not wait in the queue, it is {status.state or 'no run of FluxGym'}")
    moved, status = move(folder, by), read_status(folder)
    if not moved and status.state == "queued" and status.queue is None:
        raise RunError(folder, f"{folder.name} is just getting into the line; try again in a moment")
    return status


def ask_save(folder: RunFolder) -> Status:
    """Asks the training for a checkpoint at its next step. Raises RunIsNotActive, or RunError where it would not hear that."""
    return _ask(folder, folder.save_now, "save")


def ask_sample(folder: RunFolder) -> Status:
    """Asks the training for samples at its next step. Raises as ask_save does."""
    return _ask(folder, folder.sample_now, "sample")


def _ask(folder: RunFolder, wish: Path, what: str) -> Status:
    refuse_read_only(folder)
    status = look_after(folder)
    if status.state != "running":
        raise RunIsNotActive(folder, f"{folder.name} cannot {what} now: it is {status.state or 'no run of FluxGym'}")
    if not status.is_ours:
        raise RunError(folder, f"{folder.name} trains with a command of its own, which cannot be asked to {what}")
    try:
        wish.touch()
    except OSError as error:
        raise RunError(folder, f"{folder.name} cannot be asked to {what}: got {error.strerror} at {wish}") from error
    return status
