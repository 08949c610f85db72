"""The answer in five seconds: how a run goes and what to do, in words. Standard library only.

What is said comes from the run's status (is it alive, how did it end) and from its history (what the log says).
"""

import math
import time
from dataclasses import dataclass

from fluxgym.log.history import History
from fluxgym.run.record import ENDED, NAN, SLOW, STALLED
from fluxgym.run.status import Status
from fluxgym.view import ended, under_way, words
from fluxgym.view.health import get_health
from trainer.folder import RunFolder


@dataclass(frozen=True)
class Summary:
    """A run in one look. `label` with `icon` (Material) and `colour` (of a badge) is its state."""

    state: str | None
    label: str
    icon: str
    colour: str
    sentence: str  # how it goes and what to do
    next_step: str  # what is kept and what can be done, of a run that ended early
    progress: float  # 0 to 1
    progress_text: str
    metrics: list[tuple[str, str, str | None]]  # six: name, value, change or what it is of
    age_text: str


LOOKS = {
    "queued": ("Queued", "schedule", "violet"),
    "starting": ("Starting", "progress_activity", "green"),
    "running": ("Running", "play_circle", "green"),
    "stopping": ("Stopping", "stop_circle", "gray"),
    "stopped": ("Stopped", "stop_circle", "gray"),
    "completed": ("Completed", "check_circle", "blue"),
    "failed": ("Failed", "error", "red"),
    "lost": ("Lost", "power_off", "gray"),
}
OF_HEALTH = {  # instead of Running, where that is not all
    SLOW: ("Slow", "hourglass_top", "orange"),
    STALLED: ("Stalled", "warning", "orange"),
    NAN: ("Loss is NaN", "running_with_errors", "orange"),
}
EPOCH_MEAN, LAST_STEP = "Loss, epoch mean", "Loss, last step"  # the smoothed line of a chart ends elsewhere
MIB = 2**20  # bytes
IN_TAB = 16  # characters of a name
CLOCK = 60.0  # s; a clock that differs by less hurts nobody
PAUSED = ("Resumes soon", "schedule", "violet")
NOT_OURS = ("Not started here", "folder_open", "gray")


def summarise(
    folder: RunFolder, status: Status, history: History, now: float | None = None, with_numbers: bool = True
) -> Summary:
    """What to say of a run at this moment. `history` should be up to date. `with_numbers`: the six metrics too."""
    now = (time.time() if now is None else now) + status.ahead  # all times are of the clock there
    state = status.state or proven_state(history)
    label, icon, colour = PAUSED if under_way.is_paused(status, now) else _find_look(state, status, history)
    step, total = ended.find_where(status, history)
    gone = ended.tell_log(folder, status, history)
    kept = ended.tell_kept(status, history) if state != "lost" else ""  # its sentence says that already
    fix = ended.tell_fix(status)
    return Summary(
        state,
        label,
        icon,
        colour,
        f"{_sentence(folder, state, status, history, now)}{_tell_host(status)} {gone}".rstrip(),
        f"{kept} {fix}".strip(),
        1.0 if state == "completed" else min(1.0, step / total) if step and total else 0.0,
        _progress_text(state, status, history),
        _metrics(folder, status, history) if with_numbers else [],
        _age_text(state, status, history, now),
    )


def _find_look(state: str | None, status: Status, history: History) -> tuple[str, str, str]:
    verdict = under_way.find_verdict(status, history)
    if verdict in OF_HEALTH:
        return OF_HEALTH[verdict]
    if state is None:
        return NOT_OURS
    return LOOKS["starting" if under_way.is_preparing(state, history) else state]


def proven_state(history: History) -> str | None:
    """How a training ended, as far as its log alone proves it; None where it does not."""
    if history.failure is not None:
        said = history.failure.kind
        return "stopped" if said == "stopped" else "failed" if said != "nan" or history.phase is None else None
    return "completed" if history.finished else None


def tell_tab(title: str, summary: Summary) -> str:
    """What the tab of a browser says of a run, where some twenty characters are seen: robot - Running 45 %."""
    short = title if len(title) <= IN_TAB else f"{title[:IN_TAB]}..."
    how_far = f" {int(100 * summary.progress)} %" if summary.state == "running" and summary.progress else ""
    return f"{short} - {summary.label}{how_far}"


def name_loss(history: History) -> str:
    """What the number of smoothed_loss is."""
    return LAST_STEP if history.avr_loss is None and history.loss is not None else EPOCH_MEAN


def smoothed_loss(history: History) -> float | None:
    """The mean of the last epoch's worth of steps; the last step's where a log has no such mean. NaN while it is no number."""
    if history.nan_at is not None:
        return math.nan
    return history.avr_loss if history.avr_loss is not None else history.loss


# ---- sentences -------------------------------------------------------------------------------------------------------
def _sentence(folder: RunFolder, state: str | None, status: Status, history: History, now: float) -> str:
    match state:
        case "queued":
            return under_way.tell_queued(folder, status, history, now)
        case "starting":
            return under_way.tell_starting(status, history, now)
        case "running":
            return under_way.tell_running(status, history, now)
        case "stopping":
            return under_way.tell_stopping(folder, status, history, now)
        case "stopped":
            return ended.tell_stopped(folder, status, history)
        case "completed":
            return ended.tell_completed(folder, status, history)
        case "failed":
            return ended.tell_failed(status, history)
        case "lost":
            return ended.tell_lost(status, history)
    if status.is_active:
        return status.message
    if folder.job_script.exists() and not folder.record.exists():
        return f"{status.message} Nothing of it runs. What asks for another job can be started under its name."
    where = f"Its log ends {ended.tell_place(status, history)}." if history.step is not None else status.message
    return f"{where} Whether it is alive is not known here.".lstrip()


def _tell_host(status: Status) -> str:
    """Of a run on another machine: which, unless its job tells that, and a clock that would make its times look wrong."""
    if not status.host:
        return ""
    where = "" if status.job else f" It is on {status.host}."
    ahead = abs(status.ahead)
    way = "ahead of" if status.ahead > 0 else "behind"
    return where + (
        f" The clock of {status.host} is {words.duration(ahead)} {way} that of this machine." if ahead >= CLOCK else ""
    )


# ---- numbers ---------------------------------------------------------------------------------------------------------
def _progress_text(state: str | None, status: Status, history: History) -> str:
    step, total = ended.find_where(status, history)
    if step is None:
        if state is None or state in ENDED:
            return "No steps in its log"
        return "No step yet" if not total else f"No step yet, {total:,} to do"
    where = f"Step {step:,} of {total:,}" if total else f"Step {step:,}"
    if history.epoch:
        where += f", epoch {history.epoch:,}" + (f" of {history.total_epochs:,}" if history.total_epochs else "")
    doing = {"sampling": ", drawing samples", "saving": ", saving"}.get(history.phase or "", "")
    return where + (doing if state == "running" else "")


def _metrics(folder: RunFolder, status: Status, history: History) -> list[tuple[str, str, str | None]]:
    took = status.took
    left = under_way.find_time_left(status, history)
    is_nearly_done = status.is_active and left is not None and left < 1
    time_left = ("Time left", "almost done" if is_nearly_done else words.duration(left), None)
    if took is not None:
        time_left = (
            "Took" if status.attempt <= 1 else f"{status.attempt} attempts took",
            words.duration(took or None),
            None,
        )  # it never trained: no time, not 0
    elif not status.is_active and status.since and status.started:
        time_left = ("Last attempt took", words.duration(status.since - status.started), None)
    validation = history.validation
    return [
        time_left,
        (name_loss(history), words.loss4(smoothed_loss(history)), _change_in_an_epoch(history)),
        (
            "Validation",
            words.loss4(validation[-1][1] if validation else None),
            f"{validation[-1][1] - validation[-2][1]:+.4f}" if len(validation) > 1 else None,
        ),
        ("Pace", words.rate(under_way.find_pace(status, history)), None),
        _gpu_memory(folder, status) or ("Learning rate", words.learning_rate(history.lr), None),
        ("Last line", words.age(history.last_line_age_seconds), None),
    ]


def _gpu_memory(folder: RunFolder, status: Status) -> tuple[str, str, str | None] | None:
    """Of the fullest GPU as the monitor saw it last, or its most once the run is over; None where it saw none."""
    health = get_health(folder.monitor_log)
    with health.lock:
        seen = health.last if status.is_active else health.peaks
        name = max(
            (name for name in seen if name.startswith("gpu ") and name.endswith(" memory")),
            key=lambda name: seen[name],
            default=None,
        )
        if name is None:
            return None
        total = health.totals.get(name)
        label = "GPU memory" if status.is_active else "GPU memory, most"
        return label, words.size(round(seen[name] * MIB)), f"of {words.size(round(total * MIB))}" if total else None


def _change_in_an_epoch(history: History) -> str | None:
    if history.nan_at is not None:
        return None
    means = [each.mean for each in history.epoch_means()[-3:] if each.is_complete]
    return f"{means[-1] - means[-2]:+.4f} in 1 epoch" if len(means) > 1 else None


def _age_text(state: str | None, status: Status, history: History, now: float) -> str:
    if state and not status.is_active and status.since:
        return f"{state} {words.age(now - status.since)}"
    if state == "queued" and status.since:
        return f"queued {words.age(now - status.since)}"
    age = history.last_line_age_seconds
    return "no line yet" if age is None else f"last line {words.age(age)}"
