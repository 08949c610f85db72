"""What is said of a run that waits or trains: what it does, how that goes, what is in its way, what will be done about it."""

import re
from dataclasses import replace

from fluxgym.log.failures import Failure
from fluxgym.log.history import History, get_history
from fluxgym.run.care import RESUME, read_care
from fluxgym.run.folders import log_of, outputs_root
from fluxgym.run.queue import Turn
from fluxgym.run.record import BEGINNINGS, MONITOR, NAN, SLOW, STALLED, WELL, Health, Verdict, read_record
from fluxgym.run.resuming import best_state, find_states
from fluxgym.run.status import Status, read_status
from fluxgym.view import slurm_words, words
from fluxgym.view.ended import name_state, tell_failed, tell_learned
from trainer.folder import RunFolder, read_state

SILENT, SILENT_STEPS = 600.0, 20  # s and steps without a line, after which nothing says that a foreign training goes on
PATIENCE = 2  # validations without a new lowest loss, from which on the samples should decide
ENCODED = {"latents": "images", "text embeddings": "captions and prompts"}
PREPARING = ("downloading", "loading", "caching", "compiling")  # phases before the first step, and before going on
WORSE = "Worse than the base model since it began: stop it, and try a lower learning rate."
RECOVERING = "Still worse than the base model; but the validation loss fell the last time, so let it run."
ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def is_preparing(state: str | None, history: History) -> bool:
    """Whether the process is there and has not begun, or gone on, to learn."""
    return state == "running" and (history.phase in PREPARING or not history.has_begun)


def find_verdict(status: Status, history: History) -> str:
    """How a training under way is: what its supervisor judged; a loss that is no number its log alone proves."""
    if status.state not in ("running", None) or not status.is_active:
        return WELL
    if status.health is not None and status.health.verdict != WELL:
        return status.health.verdict
    return NAN if history.failure is not None and history.failure.kind == "nan" else WELL


# ---- training --------------------------------------------------------------------------------------------------------
def tell_running(status: Status, history: History, now: float) -> str:
    """How it goes, what to do, when it ends; of what is not well that comes first."""
    verdict, health = find_verdict(status, history), status.health
    left = find_time_left(status, history)
    ends = f" Ends about {words.clock(now + left, now)}." if left else ""
    where = f" {slurm_words.tell_running(status.job, now, left, status.is_ours)}" if status.job else ""
    if status.job and status.job.state in slurm_words.ASLEEP:
        return add_note(where.lstrip(), status)
    if verdict == STALLED and health:
        said = f"{health.reason} {_tell_what_will_be(status, now)}"
    elif verdict == NAN:
        known = health.reason if health and health.verdict == NAN else ""
        reason = known or _sentence(history.failure.message if history.failure else "")
        again = "resume" if status.is_ours else "start it again"
        advice = f"Stop it, and {again} with a lower learning rate."
        if health and health.will:
            advice = _tell_what_will_be(status, now)
        said = f"{reason} What it learns from here on is lost. {advice}"
    elif is_preparing(status.state, history):
        said = tell_preparing(history)
    elif verdict == SLOW and health:
        said = f"{health.reason}{ends}"
    else:
        said = f"{_trend(history)}{ends}"
    return add_note(f"{said}{where}", status)


def tell_stopping(folder: RunFolder, status: Status, history: History, now: float) -> str:
    """What happens between the wish to stop and the end; of a training that hangs, no step is promised."""
    record = read_record(folder)
    health = record.health if record else status.health
    reason = health.reason if health and health.verdict in (STALLED, NAN) else ""
    limit = (status.killed_at or now) - now  # not known where nobody guards it
    killed = f"killed in {words.duration(limit)}" if limit > 0 else "killed"
    if record and record.attempts[-1].stop == MONITOR:
        paused = re.match(r"No step for ([^;.,]+)", reason)
        why = (
            f" after {paused[1]} without a step"
            if paused
            else f": {reason[:1].lower()}{reason[1:].partition('. ')[0].rstrip('.')}"
        )
        goes_on = _tell_going_on(folder, status, health)
        said = f"Stopped by the monitor{why.rstrip(': ')}. It is {killed} if it does not answer{goes_on}."
    elif status.health is not None and status.health.verdict == STALLED:
        kept = " The states saved before are kept." if status.is_ours else ""
        said = f"It makes no progress, so it may not answer: then it is {killed}.{kept}"
    elif not status.is_ours:
        said = f"Asked to end. It is {killed} if it does not."
    else:
        said = f"Finishing step {history.step + 1:,} and saving its state." if history.step else "Stopping."
    return add_note(said, status)


def _tell_going_on(folder: RunFolder, status: Status, health: Health | None) -> str:
    """What follows a stop by the monitor, as its supervisor will decide it."""
    is_nan = health is not None and health.verdict == NAN
    if is_nan or read_care(folder).when_stalled != RESUME or not status.resumes_left:
        return ""
    record = read_record(folder)
    state = best_state(record, find_states(folder, record))
    if state:
        return f", then resumed from step {state.step:,}"
    return ", then resumed from the beginning" if status.is_ours else ", then started again from its beginning"


def find_time_left(status: Status, history: History) -> float | None:
    """Seconds to the last step; None where nothing promises that it comes: it waits, stops, hangs or has ended."""
    goes_on = status.state in ("running", None) and find_verdict(status, history) in (WELL, SLOW)
    return history.eta_seconds if goes_on and not has_fallen_silent(status, history) else None


def has_fallen_silent(status: Status, history: History) -> bool:
    """Whether a training that nobody here looks after, as of another machine, has written no line for long."""
    age, pace = history.last_line_age_seconds or 0.0, history.seconds_per_step or 0.0
    return status.state is None and not status.is_active and age > max(SILENT, SILENT_STEPS * pace)


def find_pace(status: Status, history: History) -> float | None:
    """Seconds per step; None while it makes no steps: it waits, prepares or hangs, or was lost."""
    hangs = find_verdict(status, history) == STALLED or is_preparing(status.state, history)
    return None if hangs or status.state in ("queued", "starting", "lost") else history.seconds_per_step


def is_paused(status: Status, now: float) -> bool:
    """Whether it waits before it goes on by itself."""
    return status.state == "queued" and status.resumes_at is not None and status.resumes_at > now


def add_note(sentence: str, status: Status) -> str:
    """With what else is to be said of a run under way: that nobody guards it, that its verdict cannot be written ..."""
    is_old = status.message in BEGINNINGS and (status.state not in ("queued", "starting") or status.resumes_at is not None)
    return sentence if is_old else f"{sentence} {status.message}".rstrip()


def _tell_what_will_be(status: Status, now: float) -> str:
    health = status.health
    if health is None or not health.will or health.acts_at is None:
        return "Nothing is done about it by itself: stop it, or wait."
    left = health.acts_at - now
    when = f"in {words.duration(left)}" if left > 0 else "now"
    if health.will == "resume" and status.resumes_left:
        return f"It will be stopped and resumed {when}."
    often = "; it went on by itself as often as it may" if health.will == "resume" else ""
    kept = ", and its state kept" if status.is_ours else ""
    return f"It will be stopped {when}{kept}{often}."


def tell_starting(status: Status, history: History, now: float) -> str:
    """What happens between its turn and the training's own first words; of a job where it runs."""
    where = f" {slurm_words.tell_running(status.job, now)}" if status.job else ""
    return add_note(f"{tell_preparing(history)}{where}", status)


def tell_preparing(history: History) -> str:
    """What is done before the first step."""
    is_before = history.has_begun and history.phase not in PREPARING  # the log is still that of the attempt before
    phase, detail = (None, "") if is_before else (history.phase, history.phase_detail or "")
    if counted := re.match(r"Caching (.+): (\d+)/(\d+)$", detail):
        done, total = int(counted[2]), int(counted[3])
        return f"Encoding {total:,} {ENCODED.get(counted[1], counted[1])}, {total - done:,} to go."
    if loading := re.match(r"Loading (.+?): ", detail):
        return f"Loading the {loading[1]}."
    if fetched := re.match(r"Downloading (.+?)(?:: |$)", detail):
        return f"Downloading {fetched[1]}. That happens once."
    return {
        "downloading": "Downloading the model. That happens once.",
        "loading": "Loading the model.",
        "caching": "Encoding images and captions.",
        "compiling": "Compiling the model; the first step comes after that.",
        "sampling": "Drawing the first samples; the first step comes after them.",
        "training": "Making the first step.",
    }.get(phase or "", "The training process is starting.")


def find_lowest(history: History) -> tuple[int, int]:
    """At which step the validation loss was lowest, and how many validations came after it. There must be one."""
    losses = [loss for _, loss in history.validation]
    lowest = losses.index(min(losses))
    return history.validation[lowest][0], len(losses) - 1 - lowest


def _trend(history: History) -> str:
    """What the validation loss says; the loss of single steps says little, whatever it does."""
    losses = [loss for _, loss in history.validation]
    if not losses:
        return "Learning. There is no validation loss, so judge it by the samples."
    if len(losses) == 1:
        return "Learning. The next validation tells whether it gets better."
    step, since = find_lowest(history)
    if since >= PATIENCE and step == 0:
        return WORSE if losses[-1] >= losses[-2] else RECOVERING
    if since == 0:
        return "Learning steadily. The validation loss still falls, so let it run."
    if since < PATIENCE:
        return "The validation loss did not fall the last time. Once says little, so let it run."
    where = tell_learned(step, history)
    saved = [at for name, (_, at) in history.saved.items() if name.endswith(".safetensors")]
    if not saved:
        advice = ", so look at the samples"
    else:
        near = min(saved, key=lambda at: abs(at - step))
        kept = tell_learned(near, history) + (", the nearest one saved," if near != step else "")
        advice = f": the LoRA of {kept} may be the better one, look at the samples"
    return f"The validation loss was lowest at {where} and has not fallen for {since} validations{advice}."


# ---- waiting ---------------------------------------------------------------------------------------------------------
def tell_queued(folder: RunFolder, status: Status, history: History, now: float) -> str:
    """A pause before it goes on by itself, or its place in the line, who is before it and when it begins."""
    if is_paused(status, now):
        return add_note(_tell_pause(folder, status, history, now), status)
    if status.job:
        return add_note(slurm_words.tell_queued(status.job, now), status)
    turn = status.queue
    if turn is None:
        return add_note("Waiting for its turn.", status)
    place = ORDINALS[turn.position - 1] if turn.position <= len(ORDINALS) else f"Number {turn.position:,}"
    before = turn.before or turn.holder
    after = f", after {before}" if before else ""
    starts = f" {tell_start(turn)}".rstrip()
    blocked = f" {turn.blocked_by} It starts when there is room." if turn.blocked_by else ""
    return add_note(f"{place} in line for {turn.wish}{after}.{starts}{blocked}", status)


def tell_start(turn: Turn) -> str:
    """When its turn comes: known of the first alone, where what has its place now tells how long it takes."""
    holder = RunFolder(outputs_root() / turn.holder)
    if turn.position != 1 or not turn.holder or not holder.path.is_dir():
        return ""
    its = read_status(holder)
    if its.state != "running" or not any(place in turn.wish for place in its.places):
        return ""
    history = get_history(log_of(holder))
    history.update()
    left = find_time_left(its, history)
    return "" if left is None else f"Starts in about {words.duration(left)}." if left >= 1 else "Starts at any moment."


def _tell_pause(folder: RunFolder, status: Status, history: History, now: float) -> str:
    """Why it ended, when it goes on, from where, and how often it did so already."""
    record, care = read_record(folder), read_care(folder)
    attempts = record.attempts if record else []
    before = attempts[-2].verdict if len(attempts) > 1 else None
    began = attempts[-1].resumed_from if attempts else None
    state = read_state(folder.path / began) if began else None
    whence = f"from {name_state(state)}" if state and not state.problem else "from its state" if began else "from the beginning"
    wait = words.duration((status.resumes_at or now) - now)
    often = f"{care.most_resumes - status.resumes_left} of {care.most_resumes}"
    said = _tell_end(status, history, before) if before else ""
    return f"{said} It resumes by itself in {wait}, {whence}; {often}.".lstrip()


def _tell_end(status: Status, history: History, verdict: Verdict) -> str:
    failure = Failure(verdict.kind or "other", verdict.message)
    ended = replace(status, state=verdict.state, failure=failure, step=verdict.step, total_steps=verdict.total_steps)
    return tell_failed(ended, history) if verdict.state == "failed" else verdict.message


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
