"""What is said of a run that ended: how and where, what is kept, and what can be done. Standard library only."""

import time
from pathlib import PurePath

from fluxgym.log.failures import Failure
from fluxgym.log.history import History
from fluxgym.log.parts import list_parts
from fluxgym.log.remedies import find_remedy
from fluxgym.run.folders import log_of
from fluxgym.run.old_logs import find_moved
from fluxgym.run.record import ENDED, read_record
from fluxgym.run.resuming import find_states, last_state
from fluxgym.run.status import Status
from fluxgym.view import words
from trainer.folder import RunFolder, State

UNKNOWN_CAUSE = "the cause is not in the log"  # as fluxgym.run.verdict says it
SAYS_LITTLE = (UNKNOWN_CAUSE, "Killed by signal", "CalledProcessError", "ChildFailedError", "Command exited with code")
MOST_WORDS = 120  # characters of a message of which no more is known
RESUME = "Resume"  # what goes on with a run, where nothing says another name
STARTS_AGAIN = f"{RESUME} starts the command again, from its beginning."  # one that is not ours
IS_SO = {  # kinds whose title says what is wrong, not what happened at a step
    "missing_file",
    "damaged_file",
    "gated",
    "offline",
    "no_space",
    "driver",
    "no_kernel",
    "bad_image",
    "missing_package",
    "wrong_setting",
}


def find_where(status: Status, history: History) -> tuple[int | None, int | None]:
    """The step that a run is at, or ended at, and how many there are."""
    step = status.step if status.step is not None else history.step
    return step, status.total_steps or history.total_steps


def tell_place(status: Status, history: History) -> str:
    """at step 212 of 1,520"""
    step, total = find_where(status, history)
    if step is None:
        return "before the first step"
    return f"at step {step:,} of {total:,}" if total else f"at step {step:,}"


def tell_learned(step: int, history: History) -> str:
    """How much was learned by a step: so many epochs, where one ends with it."""
    ended = [epoch - 1 for epoch, first in history.epochs if first == step + 1 and epoch > 1]
    return f"epoch {ended[0]:,}" if ended else f"step {step:,}"


def name_state(state: State) -> str:
    """the state of epoch 2"""
    return f"the state of epoch {state.epoch}" if state.position == 0 and state.epoch else f"the state of step {state.step:,}"


# ---- how it ended ----------------------------------------------------------------------------------------------------
def tell_completed(folder: RunFolder, status: Status, history: History) -> str:
    """How much is done, and whether the last LoRA is the best one. Of another command that made none: what was checked."""
    done, lowest = tell_done(status, history), tell_lowest(history)
    if status.is_ours or (folder.loras() and (history.step or not status.state)):
        return f"{done} Its LoRA is ready{f'; {lowest}' if lowest else ''}."
    said = status.message if status.state else done
    return f"{said} {lowest[:1].upper()}{lowest[1:]}." if lowest else said


def tell_done(status: Status, history: History) -> str:
    """16 of 16 epochs in 52 m."""
    took, (step, _) = status.took, find_where(status, history)
    epochs, total = history.epoch, history.total_epochs
    if not step:
        return "It is done."
    what = f"{epochs} of {total} epochs" if epochs and total else words.plural(step, "step")
    attempts = f", {status.attempt} attempts together" if status.attempt > 1 else ""
    return f"{what} in {words.duration(took)}{attempts}." if took is not None else f"{what} are done."


def tell_log(folder: RunFolder, status: Status, history: History) -> str:
    """What became of the log of a run that ended, where it is not there any more."""
    if history.size or status.state not in ENDED or list_parts(log_of(folder)):
        return ""
    if moved := find_moved(folder):
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moved.archived))
        return f"Its log was archived on {date} and lies in {folder.old_logs.name}/{moved.path.name}/."
    return "Its log is not there any more." if status.state == "completed" else ""  # another may never have had one


def tell_lowest(history: History) -> str:
    """Where the validation loss was lowest, when that was not at the end."""
    if not history.validation:
        return ""
    step, _ = min(history.validation, key=lambda said: said[1])
    if step == history.validation[-1][0]:
        return ""
    if step == 0:
        return "the validation loss never fell below the base model's"
    return f"the validation loss was lowest at {tell_learned(step, history)}"


def tell_failed(status: Status, history: History, names: bool = True) -> str:
    """What happened and where, in one line. `names`: also the file or image that is to blame."""
    failure = status.failure or history.failure
    if failure and failure.kind == "other" and UNKNOWN_CAUSE in failure.message:
        return f"Failed {tell_place(status, history)}, {UNKNOWN_CAUSE}."
    title = find_remedy(failure.kind if failure else None).title
    if failure and failure.kind == "oom" and "CUDA" not in failure.message:
        title = "Out of memory"
    place = tell_place(status, history)
    if failure and failure.kind == "nan" and history.nan_at is not None and history.nan_at != find_where(status, history)[0]:
        return f"{title} at step {history.nan_at:,}. It ended {place}."
    if failure and failure.kind in IS_SO:
        return f"{title}{_tell_subject(failure, history) if names else ''}. It ended {place}."
    words_of_it = _first_words(failure, place) if names else ""
    return f"{title} {place}: {_shorten(words_of_it)}." if words_of_it else f"{title} {place}."


def _first_words(failure: Failure | None, place: str) -> str:
    """How the message begins of a failure of which no more is known; empty of any other, whose title tells it."""
    if failure is None or failure.kind != "other" or UNKNOWN_CAUSE in failure.message:
        return ""
    return _drop_place(failure.message, place).partition(". ")[0].strip().rstrip(".")


def _shorten(text: str) -> str:
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS].rpartition(' ')[0] or text[:MOST_WORDS]} ..."


def _drop_place(text: str, place: str) -> str:
    return text.replace(f", {place}", "").replace(f" {place}", "")


def _tell_subject(failure: Failure, history: History) -> str:
    """The file or image that is to blame; the verdict keeps the line that names it, the log's failure its name too."""
    said = history.failure.subject if history.failure and history.failure.kind == failure.kind else ""
    name = failure.subject or said
    return f": {PurePath(name).name if PurePath(name).is_absolute() else name}" if name else ""


def tell_cause(status: Status, history: History) -> str:
    """What is known of a failure beyond `tell_failed`, which tells its kind and place, or how its message begins."""
    place = tell_place(status, history)
    told = status.message
    if UNKNOWN_CAUSE in told:
        told = told.partition(f"{UNKNOWN_CAUSE}.")[2].strip()
    told = _drop_place(told, place)
    first = _first_words(status.failure, place)
    if first and len(first) <= MOST_WORDS:  # tell_failed says that
        told = told.removeprefix(first).lstrip(". ")
    is_word = told.partition(" ")[0].isalpha()  # not torch.OutOfMemoryError
    return told[:1].upper() + told[1:] if is_word else told


def tell_stopped(folder: RunFolder, status: Status, history: History) -> str:
    """Who stopped it, where, and from where it can go on; what it learned from a loss that was no number is of no use."""
    said = status.message or f"Stopped {tell_place(status, history)}."
    hint = _resume_hint(status, history) if history.nan_at is None else _nan_hint(folder, status, history.nan_at)
    return f"{said} {hint}".rstrip()


def tell_lost(status: Status, history: History) -> str:
    """What the machine did, what is kept, and what a resume does again."""
    return f"{status.message or f'Lost {tell_place(status, history)}.'} {tell_kept(status, history)}".rstrip()


def find_state_before(folder: RunFolder, step: int) -> State | None:
    """The furthest whole state from before a step."""
    return last_state([state for state in find_states(folder, read_record(folder)) if state.step < step])


def _nan_hint(folder: RunFolder, status: Status, nan_at: int) -> str:
    state = find_state_before(folder, nan_at)
    is_said = f"since step {nan_at:,}" in status.message  # the monitor's reason
    since = "" if is_said else f"The loss is no number since step {nan_at:,}. "
    if state is None:
        return f"{since}There is no state from before that: begin again with a lower learning rate."
    lower = ", with a lower learning rate" if status.is_ours else ""
    return f"{since}Resume from step {state.step:,}, which is before that{lower}."


def _resume_hint(status: Status, history: History) -> str:
    if status.can_restart:
        return "Nothing was saved yet: Resume begins at the beginning." if status.is_ours else STARTS_AGAIN
    if status.resumable is None:
        return "No state was saved." if status.state else ""
    step, _ = find_where(status, history)
    there = "there" if status.resumable.step == step else f"step {status.resumable.step:,}"
    return f"Resume goes on from {there}."


# ---- what is kept ----------------------------------------------------------------------------------------------------
def tell_kept(status: Status, history: History, button: str = RESUME) -> str:
    """What is kept of a run that ended early, and what a resume does again. `button`: what begins it is called."""
    if status.state not in ("failed", "lost", "stopped"):
        return ""
    kept = status.resumable
    who = button if button == RESUME else f'"{button}"'
    if status.can_restart and not status.is_ours:
        return STARTS_AGAIN.replace(RESUME, who)
    if status.can_restart:
        encoded = "" if find_where(status, history)[0] is None else ", with what was encoded"
        return f"Nothing was saved yet: {who} begins at the beginning{encoded}."
    if kept is None:
        return "No state was saved, so it can only begin anew."
    if history.nan_at is not None and kept.step >= history.nan_at:
        return ""  # whole, and of no use
    step, _ = find_where(status, history)
    again = max(0, (step or 0) - kept.step)
    name = f"epoch {kept.epoch} (step {kept.step:,})" if kept.position == 0 and kept.epoch else f"step {kept.step:,}"
    pace = history.seconds_per_step
    time_again = f", about {words.duration(again * pace)}" if pace and again else ""
    repeats = f"resuming repeats {words.plural(again, 'step')}{time_again}" if again else "resuming repeats nothing"
    whole = "" if history.nan_at is not None else "Nothing is lost. "
    return f"{whole}The state of {name} is whole; {repeats}."


def tell_fix(status: Status) -> str:
    """What a person can do about a failure, as far as its own message does not say that already."""
    if status.state != "failed" or status.failure is None:
        return ""
    kind, message = status.failure.kind, status.failure.message
    fix = find_remedy(kind).fix
    if kind == "other":
        return fix if any(said in message for said in SAYS_LITTLE) else ""
    advice, _, reason = fix.partition(": ")
    if advice.lower() in message.lower():  # Download it again: ...
        return f"{reason[:1].upper()}{reason[1:]}"
    return "" if "hf auth login" in message and "hf auth login" in fix else fix
