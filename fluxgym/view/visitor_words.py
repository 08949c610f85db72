"""What a visitor of a shared run is told of it: numbers, and words of ours. Standard library only.

The owner's sentences quote the log, name files, processes and other runs, and say what to press. A visitor can press nothing
and knows none of these, so each state has a sentence of its own here, and nothing in it comes from outside.
"""

import re
import time
from dataclasses import replace

from fluxgym.log.history import History
from fluxgym.run.record import NAN, SLOW, STALLED
from fluxgym.run.status import Status
from fluxgym.view import ended, under_way, words
from fluxgym.view.summary import Summary, summarise
from trainer.folder import RunFolder

UNKNOWN = ("Not known", "help", "gray")  # label, icon, colour
COUNTED = re.compile(r"Caching (latents|text embeddings): (\d{1,9})/(\d{1,9})$")  # these words of a log are ours
PREPARING = {  # by phase
    "downloading": "Downloading the base model. That happens once.",
    "loading": "Loading the base model.",
    "caching": "Encoding images and captions.",
    "compiling": "Compiling the model; the first step comes after that.",
    "sampling": "Drawing the first samples; the first step comes after them.",
    "training": "Making the first step.",
}


def summarise_for_visitor(folder: RunFolder, status: Status, history: History, now: float | None = None) -> Summary:
    """A run in one look, as fluxgym.view.summary tells it to its owner, in words for everyone."""
    now = time.time() if now is None else now
    said = summarise(folder, status, history, now)
    label, icon, colour = (said.label, said.icon, said.colour) if said.state or status.is_active else UNKNOWN
    return replace(
        said,
        label=label,
        icon=icon,
        colour=colour,
        sentence=tell(folder, said.state, status, history, now),
        next_step="",
        metrics=[*said.metrics[:4], *_tell_times(status, history, now)],
    )


def _tell_times(status: Status, history: History, now: float) -> list[tuple[str, str, str | None]]:
    """In place of the machine's memory and of a learning rate, which is a setting."""
    started = words.age(now - status.started) if status.started else words.UNKNOWN
    begun = "Started" if status.attempt <= 1 else "Last start"
    return [(begun, started, None), ("Last update", words.age(history.last_line_age_seconds), None)]


# ---- sentences -------------------------------------------------------------------------------------------------------
def tell(folder: RunFolder, state: str | None, status: Status, history: History, now: float) -> str:
    """How it goes, in one or two sentences."""
    match state:
        case "queued":
            return _tell_queued(status, now)
        case "starting":
            return tell_preparing(history)
        case "running":
            return _tell_running(status, history, now)
        case "stopping":
            return f"It is being stopped{', after its state is saved' if status.is_ours else ''}."
        case "stopped":
            return f"Stopped {ended.tell_place(status, history)}.{_tell_way_on(status, history)}"
        case "completed":
            return _tell_completed(folder, status, history)
        case "failed":
            return f"{ended.tell_failed(status, history, names=False)}{_tell_way_on(status, history)}"
        case "lost":
            return f"Its machine failed or restarted {ended.tell_place(status, history)}.{_tell_way_on(status, history)}"
    if history.step is not None:
        return f"It was seen last {ended.tell_place(status, history)}."
    return "It has not made a step so far." if history.last_line_age_seconds is not None else "It has not begun so far."


def tell_preparing(history: History) -> str:
    """What is done before the first step; a model's or file's name in the log is a setting, and not told."""
    is_before = history.has_begun and history.phase not in under_way.PREPARING  # the log is still that of the attempt before
    if is_before or history.phase is None:
        return "The training is starting."
    if counted := COUNTED.match(history.phase_detail or ""):
        done, total = int(counted[2]), int(counted[3])
        return f"Encoding {total:,} {under_way.ENCODED[counted[1]]}, {total - done:,} to go."
    return PREPARING.get(history.phase, "The training is starting.")


def _tell_queued(status: Status, now: float) -> str:
    if under_way.is_paused(status, now):
        return f"It broke off, and goes on by itself in {words.duration((status.resumes_at or now) - now)}."
    turn = status.queue
    if turn is None:
        return "Waiting for its turn."
    known = turn.position <= len(under_way.ORDINALS)
    place = under_way.ORDINALS[turn.position - 1] if known else f"Number {turn.position:,}"
    waits = "It starts when there is room." if turn.blocked_by else under_way.tell_start(turn)
    return f"{place} in line. {waits}".rstrip()


def _tell_running(status: Status, history: History, now: float) -> str:
    verdict = under_way.find_verdict(status, history)
    if verdict == STALLED:
        return f"It makes no progress at the moment. {_tell_what_will_be(status, now)}".rstrip()
    if verdict == NAN:
        since = f" at step {history.nan_at:,}" if history.nan_at is not None else ""
        return f"The loss became not a number{since}: what it learns from there on is lost."
    if under_way.is_preparing(status.state, history):
        return tell_preparing(history)
    if verdict == SLOW:
        return "Learning, slower than at first."
    return _tell_trend(history)


def _tell_what_will_be(status: Status, now: float) -> str:
    health = status.health
    if health is None or health.acts_at is None or health.will != "resume" or not status.resumes_left:
        return ""
    left = health.acts_at - now
    return f"It will be stopped and resumed {f'in {words.duration(left)}' if left > 0 else 'now'}."


def _tell_trend(history: History) -> str:
    if not history.validation:
        return "Learning. There is no validation loss; how well it learns shows in the samples."
    if len(history.validation) == 1:
        return "Learning. The next validation tells whether it gets better."
    step, since = under_way.find_lowest(history)
    if since == 0:
        return "Learning steadily. The validation loss still falls."
    if since < under_way.PATIENCE:
        return "Learning. The validation loss did not fall the last time, and once says little."
    if step == 0:
        return "By the validation loss it is not better than the base model so far."
    where = ended.tell_learned(step, history)
    return f"The validation loss was lowest at {where} and has not fallen for {since} validations."


def _tell_completed(folder: RunFolder, status: Status, history: History) -> str:
    lowest = ended.tell_lowest(history)
    done = ended.tell_done(status, history) if history.step else "It is done."
    if not status.is_ours and not folder.loras():
        return f"{done} {lowest[:1].upper()}{lowest[1:]}." if lowest else done
    return f"{done} Its LoRA is ready{f'; {lowest}' if lowest else ''}."


def _tell_way_on(status: Status, history: History) -> str:
    """Whether what was learned is kept, so that it can go on."""
    kept = status.resumable
    if kept is None or (history.nan_at is not None and kept.step >= history.nan_at):
        return ""
    step, _ = ended.find_where(status, history)
    return " It can go on from there." if kept.step == step else f" It can go on from step {kept.step:,}."
