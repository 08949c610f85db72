"""The answer in five seconds: how a run goes and what to do, in words. Standard library only.

What is said comes from the run's status (is it alive, how did it end) and from its history (what the log says).
"""

import re
import time
from dataclasses import dataclass

from fluxgym.log.history import History
from fluxgym.log.remedies import find_remedy
from fluxgym.run.record import read_record
from fluxgym.run.status import Status
from fluxgym.view import words
from trainer.folder import RunFolder, State

PATIENCE = 2  # validations without a new lowest loss, from which on the samples should decide


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
    metrics: list[tuple[str, str, str | None]]  # six: name, value, change
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
NOT_OURS = ("Not started here", "folder_open", "gray")
CAUSES = {
    "oom": "Out of memory",
    "nan": "The loss became not a number",
    "killed": "The training was killed",
    "missing_file": "A file is missing or damaged",
    "cuda": "The GPU reported an error",
    "nccl": "The GPUs lost contact with each other",
    "stopped": "The training was stopped",
    "other": "The training broke off",
}
ENCODED = {"latents": "images", "text embeddings": "captions and prompts"}
ADVICE = {
    "oom": "A smaller batch or resolution, or gradient checkpointing, needs less memory.",
    "nan": "A lower learning rate helps most often.",
    "killed": "Most often the system does this when memory runs out: check what else is running.",
    "missing_file": "Check the paths in its settings.",
}


def summarise(folder: RunFolder, status: Status, history: History, now: float | None = None) -> Summary:
    """What to say of a run at this moment. `history` should be up to date."""
    now = time.time() if now is None else now
    state = status.state or proven_state(history)
    label, icon, colour = LOOKS["starting" if _is_preparing(state, history) else state] if state else NOT_OURS
    took = time_taken(folder, status)
    step, total = _where(status, history)
    progress = 1.0 if state == "completed" else min(1.0, step / total) if step and total else 0.0
    return Summary(
        state,
        label,
        icon,
        colour,
        _sentence(state, status, history, now, took),
        _next_step(state, status, history),
        progress,
        _progress_text(state, status, history),
        _metrics(status, history, took),
        _age_text(state, status, history, now),
    )


def proven_state(history: History) -> str | None:
    """How a training ended, as far as its log alone proves it; None where it does not."""
    if history.failure is not None:
        said = history.failure.kind
        return "stopped" if said == "stopped" else "failed" if said != "nan" or history.phase is None else None
    return "completed" if history.finished else None


def time_taken(folder: RunFolder, status: Status) -> float | None:
    """Seconds that all attempts of a run that ended took together; None where that of one is not known."""
    if status.is_active or not status.since or not status.started:
        return None
    last = status.since - status.started
    if status.attempt <= 1:
        return last
    record = read_record(folder)
    earlier = record.attempts[: status.attempt - 1] if record else []
    known = [attempt.ended - attempt.started for attempt in earlier if attempt.ended]
    return last + sum(known) if len(known) == status.attempt - 1 else None


def cause(status: Status, history: History) -> str:
    """What is known of a failure beyond the summary's sentence, which tells its kind and place."""
    place = _place(status, history)
    told = status.message.replace(f", {place}", "").replace(f" {place}", "")
    return told[:1].upper() + told[1:]


def smoothed_loss(history: History) -> float | None:
    """The mean of the last epoch's worth of steps; the last step's where a log has no such mean."""
    return history.avr_loss if history.avr_loss is not None else history.loss


# ---- sentences -------------------------------------------------------------------------------------------------------
def _sentence(state: str | None, status: Status, history: History, now: float, took: float | None) -> str:
    match state:
        case "queued":
            return "Waiting for its turn."
        case "starting":
            return _noted(_preparing(history), status)
        case "running" if _is_preparing(state, history):
            return _noted(_preparing(history), status)
        case "running":
            return _running(status, history, now)
        case "stopping":
            return _noted(f"Finishing step {history.step + 1:,} and saving its state." if history.step else "Stopping.", status)
        case "stopped":
            return f"{status.message or f'Stopped {_place(status, history)}.'} {_resume_hint(status, history)}".rstrip()
        case "completed":
            return f"{_done(status, history, took)} Its LoRA is ready{_lowest_before(history)}."
        case "failed":
            return _failed(status, history)
        case "lost":
            kept = f" {_state_words(status.resumable)} is whole." if status.resumable else ""
            return f"{status.message or f'Lost {_place(status, history)}.'}{kept}"
    if status.is_active:
        return status.message
    where = f"Its log ends {_place(status, history)}." if history.step is not None else status.message
    return f"{where} Whether it is alive is not known here.".lstrip()


def _is_preparing(state: str | None, history: History) -> bool:
    """Whether the process is there and has not begun, or gone on, to learn."""
    return state == "running" and (history.phase in ("loading", "caching") or not history.step)


def _preparing(history: History) -> str:
    detail = history.phase_detail or ""
    if counted := re.match(r"Caching (.+): (\d+)/(\d+)$", detail):
        done, total = int(counted[2]), int(counted[3])
        return f"Encoding {total:,} {ENCODED.get(counted[1], counted[1])}, {total - done:,} to go."
    if loading := re.match(r"Loading (.+?): ", detail):
        return f"Loading the {loading[1]}."
    return {
        "loading": "Loading the model.",
        "caching": "Encoding images and captions.",
        "sampling": "Drawing the first samples; the first step comes after them.",
        "training": "Making the first step.",
    }.get(history.phase or "", "The training process is starting.")


def _running(status: Status, history: History, now: float) -> str:
    if history.failure is not None and history.failure.kind == "nan":
        return f"{history.failure.message[0].upper()}{history.failure.message[1:]}: stop it and try a lower learning rate."
    left = history.eta_seconds
    ends = f" Ends about {words.clock(now + left, now)}." if left else ""
    return _noted(f"{_trend(history)}{ends}", status)


def _noted(sentence: str, status: Status) -> str:
    """With what else is to be said of a run under way: that nobody guards it, that its verdict cannot be written ..."""
    return f"{sentence} {status.message}".rstrip()


def _trend(history: History) -> str:
    """What the validation loss says; the loss of single steps says little, whatever it does."""
    losses = [loss for _, loss in history.validation]
    if not losses:
        return "Learning. There is no validation loss, so judge it by the samples."
    if len(losses) == 1:
        return "Learning. The next validation tells whether it gets better."
    lowest = min(range(len(losses)), key=losses.__getitem__)
    since = len(losses) - 1 - lowest
    if since == 0:
        return "Learning steadily. The validation loss still falls, so let it run."
    if since < PATIENCE:
        return "The validation loss did not fall the last time. Once says little, so let it run."
    step, _ = history.validation[lowest]
    where = _learned(step, history)
    saved = [at for name, (_, at) in history.saved.items() if name.endswith(".safetensors")]
    if not saved:
        advice = ", so look at the samples"
    else:
        near = min(saved, key=lambda at: abs(at - step))
        kept = _learned(near, history) + (", the nearest one saved," if near != step else "")
        advice = f": the LoRA of {kept} may be the better one, look at the samples"
    return f"The validation loss was lowest at {where} and has not fallen for {since} validations{advice}."


def _learned(step: int, history: History) -> str:
    """How much was learned by a step: so many epochs, where one ends with it."""
    ended = [epoch - 1 for epoch, first in history.epochs if first == step + 1 and epoch > 1]
    return f"epoch {ended[0]:,}" if ended else f"step {step:,}"


def _done(status: Status, history: History, took: float | None) -> str:
    epochs, total = history.epoch, history.total_epochs
    what = f"{epochs} of {total} epochs" if epochs and total else words.plural(history.step or 0, "step")
    attempts = f", {status.attempt} attempts together" if status.attempt > 1 else ""
    return f"{what} in {words.duration(took)}{attempts}." if took is not None else f"{what} are done."


def _lowest_before(history: History) -> str:
    """Where the validation loss was lowest, when that was not at the end."""
    if not history.validation:
        return ""
    step, _ = min(history.validation, key=lambda said: said[1])
    is_last = step == history.validation[-1][0]
    return "" if is_last else f"; the validation loss was lowest at {_learned(step, history)}"


def _failed(status: Status, history: History) -> str:
    failure = status.failure or history.failure
    kind = failure.kind if failure else "other"
    cause = (
        "Out of GPU memory"
        if kind == "oom" and failure and "CUDA" in failure.message
        else CAUSES.get(kind) or find_remedy(kind).title
    )
    return f"{cause} {_place(status, history)}."


def _where(status: Status, history: History) -> tuple[int | None, int | None]:
    step = status.step if status.step is not None else history.step
    return step, status.total_steps or history.total_steps


def _place(status: Status, history: History) -> str:
    step, total = _where(status, history)
    if step is None:
        return "before the first step"
    return f"at step {step:,} of {total:,}" if total else f"at step {step:,}"


def _state_words(state: State) -> str:
    return f"The state of epoch {state.epoch}" if state.position == 0 else f"The state of step {state.step:,}"


def _resume_hint(status: Status, history: History) -> str:
    if status.can_restart:
        return "Nothing was saved yet: Resume begins at the beginning."
    if status.resumable is None:
        return "No state was saved." if status.state else ""
    step, _ = _where(status, history)
    there = "there" if status.resumable.step == step else f"step {status.resumable.step:,}"
    return f"Resume goes on from {there}."


def _next_step(state: str | None, status: Status, history: History) -> str:
    if state not in ("failed", "lost", "stopped") or status.state is None:
        return ""
    failure = status.failure
    advice = f" {ADVICE[failure.kind]}" if failure and failure.kind in ADVICE else ""
    kept = status.resumable
    if status.can_restart:
        return f"Nothing was saved yet: Resume begins at the beginning, with what was encoded.{advice}"
    if kept is None:
        return f"No state was saved, so it can only begin anew.{advice}"
    step, _ = _where(status, history)
    again = max(0, (step or 0) - kept.step)
    name = f"epoch {kept.epoch} (step {kept.step:,})" if kept.position == 0 else f"step {kept.step:,}"
    pace = history.seconds_per_step
    time_again = f", about {words.duration(again * pace)}" if pace and again else ""
    repeats = f"resuming repeats {words.plural(again, 'step')}{time_again}" if again else "resuming repeats nothing"
    return f"Nothing is lost. The state of {name} is whole; {repeats}.{advice}"


# ---- numbers ---------------------------------------------------------------------------------------------------------
def _progress_text(state: str | None, status: Status, history: History) -> str:
    step, total = _where(status, history)
    if step is None:
        return "No step yet" if not total else f"No step yet, {total:,} to do"
    where = f"Step {step:,} of {total:,}" if total else f"Step {step:,}"
    if history.epoch:
        where += f", epoch {history.epoch:,}" + (f" of {history.total_epochs:,}" if history.total_epochs else "")
    doing = {"sampling": ", drawing samples", "saving": ", saving"}.get(history.phase or "", "")
    return where + (doing if state == "running" else "")


def _metrics(status: Status, history: History, took: float | None) -> list[tuple[str, str, str | None]]:
    left = history.eta_seconds if status.is_active or status.state is None else None
    time_left = ("Time left", words.duration(left), None)
    if took is not None:
        time_left = ("Took" if status.attempt <= 1 else f"{status.attempt} attempts took", words.duration(took), None)
    elif not status.is_active and status.since and status.started:
        time_left = ("Last attempt took", words.duration(status.since - status.started), None)
    validation = history.validation
    return [
        time_left,
        ("Loss, smoothed", words.loss4(smoothed_loss(history)), _change_in_an_epoch(history)),
        (
            "Validation",
            words.loss4(validation[-1][1] if validation else None),
            f"{validation[-1][1] - validation[-2][1]:+.4f}" if len(validation) > 1 else None,
        ),
        ("Pace", words.rate(history.seconds_per_step), None),
        ("Learning rate", words.learning_rate(history.lr), None),
        ("Last line", words.age(history.last_line_age_seconds), None),
    ]


def _change_in_an_epoch(history: History) -> str | None:
    means = [mean for _, mean, is_complete in history.epoch_means()[-3:] if is_complete]
    return f"{means[-1] - means[-2]:+.4f} in 1 epoch" if len(means) > 1 else None


def _age_text(state: str | None, status: Status, history: History, now: float) -> str:
    if state and not status.is_active and status.since:
        return f"{state} {words.age(now - status.since)}"
    if state == "queued" and status.since:
        return f"queued {words.age(now - status.since)}"
    age = history.last_line_age_seconds
    return "no line yet" if age is None else f"last line {words.age(age)}"
