"""What `python -m fluxgym show` tells of a run, of any folder, or of any log file. Standard library only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxgym.log.find import find_log
from fluxgym.log.history import History
from fluxgym.run.folders import log_of, shown_path
from fluxgym.run.status import Status, read_status
from fluxgym.view.checkpoints import list_loras, list_states
from fluxgym.view.ended import find_where, tell_log
from fluxgym.view.opening import look_at
from fluxgym.view.samples import list_pictures
from fluxgym.view.summary import Summary, proven_state, summarise
from fluxgym.view.under_way import has_fallen_silent
from trainer.folder import RunFolder

JOB = ("id", "state", "reason", "nodes", "starts", "ends", "silence")

__all__ = ["find_log", "list_fields", "read_target", "show_fields", "tell_job"]


@dataclass(frozen=True)
class Seen:
    """What was read of it. `folder`: None of a log file alone."""

    folder: RunFolder | None
    status: Status
    history: History

    def summarise(self) -> Summary | None:
        """How it goes and what to do, in the words of the pages; None of a log file alone."""
        return summarise(self.folder, self.status, self.history, with_numbers=False) if self.folder else None


def read_target(target: Path) -> Seen:
    """Raises ValueError or OSError when there is nothing to read."""
    folder, status = None, Status(None)
    log = target
    if target.is_dir():
        folder = look_at(target)  # what was not started here is judged as such: its processes may be another machine's
        status = read_status(folder)
        log = log_of(folder) if status.state or folder.is_read_only else find_log(target)
    elif not target.exists():
        raise FileNotFoundError(f"got {target}, expected a run, a folder or a log file that is there")
    history = History(log)
    history.update()
    return Seen(folder, status, history)


def show_fields(target: Path) -> dict[str, Any]:
    """All that is known. Raises ValueError or OSError when there is nothing to read."""
    return list_fields(read_target(target))


def list_fields(seen: Seen) -> dict[str, Any]:
    """All that is known, as data; None is what nobody says."""
    status, history = seen.status, seen.history
    state = status.state or proven_state(history)
    failure = _failure(status, history)
    (step, total), (checkpoints, samples) = find_where(status, history), _list_files(seen)
    goes_on = status.is_active or state == "completed" or (state is None and not has_fallen_silent(status, history))
    return {
        "state": state,
        "finished": state == "completed",
        "phase": history.phase if status.is_active or status.state is None else None,
        "step": step,
        "total_steps": total,
        "epoch": history.epoch,
        "total_epochs": history.total_epochs,
        "loss": history.loss,
        "avr_loss": history.avr_loss,
        "seconds_per_step": history.seconds_per_step,
        "eta_seconds": history.eta_seconds if goes_on else None,
        "last_line_age_seconds": history.last_line_age_seconds,
        "points": history.points,
        "checkpoints": checkpoints,
        "samples": samples,
        "failure": failure,
        "message": status.message or None,
        "host": status.host or None,
        "job": tell_job(status),
    }


def _list_files(seen: Seen) -> tuple[list[str], list[str]]:
    """Checkpoints and samples: those that the log names; where it is not there any more, those that are there."""
    folder, history = seen.folder, seen.history
    if folder is None or not tell_log(folder, seen.status, history):
        return list(history.checkpoints), list(history.samples)
    files = sorted([*list_loras(folder, history), *list_states(folder)], key=lambda file: (file.modified, file.path.name))
    pictures = sorted(list_pictures(folder), key=lambda picture: (picture.time, picture.prompt))
    return [shown_path(file.path) for file in files], [shown_path(picture.path) for picture in pictures]


def tell_job(status: Status) -> dict[str, Any] | None:
    """The job of a run under way on a cluster, as its scheduler calls things; times in s since 1970."""
    job = status.job
    return {name: getattr(job, name) or None for name in JOB} if job else None


def _failure(status: Status, history: History) -> dict[str, str] | None:
    """Of a run of ours the verdict counts, else what the log says."""
    failure = status.failure or history.failure
    if failure is None or status.state == "completed" or (status.is_active and failure.kind != "nan"):
        return None
    return {"kind": failure.kind, "message": failure.message}
