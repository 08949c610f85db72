"""What `python -m fluxgym show` tells of a run, of any folder, or of any log file. Standard library only."""

from pathlib import Path
from typing import Any

from fluxgym.log.find import find_log
from fluxgym.log.history import History
from fluxgym.run.folders import log_of
from fluxgym.run.status import Status, read_status
from fluxgym.view.opening import look_at
from fluxgym.view.summary import proven_state
from fluxgym.view.under_way import has_fallen_silent

__all__ = ["find_log", "show_fields"]


def show_fields(target: Path) -> dict[str, Any]:
    """All that is known; None is what nobody says. Raises ValueError or OSError when there is nothing to read."""
    status = Status(None)
    log = target
    if target.is_dir():
        folder = look_at(target)  # what was not started here is judged as such: its processes may be another machine's
        status = read_status(folder)
        log = log_of(folder) if status.state or folder.is_read_only else find_log(target)
    elif not target.exists():
        raise FileNotFoundError(f"got {target}, expected a run, a folder or a log file that is there")
    history = History(log)
    history.update()
    state = status.state or proven_state(history)
    failure = _failure(status, history)
    goes_on = status.is_active or state == "completed" or (state is None and not has_fallen_silent(status, history))
    return {
        "state": state,
        "finished": state == "completed",
        "phase": history.phase if status.is_active or status.state is None else None,
        "step": history.step,
        "total_steps": history.total_steps,
        "epoch": history.epoch,
        "total_epochs": history.total_epochs,
        "loss": history.loss,
        "avr_loss": history.avr_loss,
        "seconds_per_step": history.seconds_per_step,
        "eta_seconds": history.eta_seconds if goes_on else None,
        "last_line_age_seconds": history.last_line_age_seconds,
        "points": history.points,
        "checkpoints": list(history.checkpoints),
        "samples": list(history.samples),
        "failure": failure,
        "message": status.message or None,
    }


def _failure(status: Status, history: History) -> dict[str, str] | None:
    """Of a run of ours the verdict counts, else what the log says."""
    failure = status.failure or history.failure
    if failure is None or status.state == "completed" or (status.is_active and failure.kind != "nan"):
        return None
    return {"kind": failure.kind, "message": failure.message}
