"""What is said of a job: how far it is, how fast, how long it still takes, how it ended."""

from fluxgym.job.folder import DONE, FAILED, LOST, RUNNING, STOPPED, JobStatus, Said
from fluxgym.view import words

STATES = {  # icon, colour, word
    RUNNING: ("progress_activity", "green", "Running"),
    DONE: ("check_circle", "blue", "Done"),
    FAILED: ("error", "red", "Failed"),
    STOPPED: ("stop_circle", "gray", "Stopped"),
    LOST: ("power_off", "gray", "Lost"),
}


def tell_progress(status: JobStatus) -> str:
    """'12 of 150 images, 3.2 images/s, about 43 s left'; what it works on comes behind it."""
    said = status.said
    if said is None:
        return "Beginning" if status.is_active else ""
    parts = [_tell_done(said)]
    if status.is_active and said.rate and said.rate > 0:
        parts.append(_tell_rate(said))
        if said.total is not None:
            parts.append(words.left((said.total - said.done) / said.rate))
    return ", ".join(parts)


def find_share(status: JobStatus) -> float:
    """How much of it is done, 0 to 1; 0 while that is not known."""
    said = status.said
    return min(1.0, max(0.0, said.done / said.total)) if said and said.total else float(status.state == DONE)


def _tell_done(said: Said) -> str:
    if said.unit == "bytes":
        done = words.size(said.done)
        return f"{done} of {words.size(said.total)}" if said.total is not None else done
    one = said.unit.removesuffix("s")
    return f"{said.done:,} of {words.plural(said.total, one)}" if said.total is not None else words.plural(said.done, one)


def _tell_rate(said: Said) -> str:
    assert said.rate
    if said.unit == "bytes":
        return f"{words.size(round(said.rate))}/s"
    return f"{said.rate:.1f} {said.unit}/s" if said.rate >= 1 else f"{words.duration(1 / said.rate)} each"
