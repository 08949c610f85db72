"""What is said of a run that ended: how and where, what is kept, and what can be done. Standard library only."""

from fluxgym.log.history import History
from fluxgym.log.remedies import find_remedy
from fluxgym.run.status import Status
from fluxgym.view import words
from trainer.folder import State

UNKNOWN_CAUSE = "the cause is not in the log"  # as fluxgym.run.verdict says it


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
def tell_completed(status: Status, history: History, took: float | None) -> str:
    """How much is done, and whether the last LoRA is the best one. Of another command what was checked is said as well."""
    epochs, total = history.epoch, history.total_epochs
    what = f"{epochs} of {total} epochs" if epochs and total else words.plural(history.step or 0, "step")
    attempts = f", {status.attempt} attempts together" if status.attempt > 1 else ""
    done = f"{what} in {words.duration(took)}{attempts}." if took is not None else f"{what} are done."
    if status.state and not status.is_ours and not history.step:
        return status.message
    return f"{done} Its LoRA is ready{_lowest_before(history)}."


def _lowest_before(history: History) -> str:
    """Where the validation loss was lowest, when that was not at the end."""
    if not history.validation:
        return ""
    step, _ = min(history.validation, key=lambda said: said[1])
    is_last = step == history.validation[-1][0]
    return "" if is_last else f"; the validation loss was lowest at {tell_learned(step, history)}"


def tell_failed(status: Status, history: History) -> str:
    """What happened and where, in one line."""
    failure = status.failure or history.failure
    if failure and failure.kind == "other" and UNKNOWN_CAUSE in failure.message:
        return f"Failed {tell_place(status, history)}, {UNKNOWN_CAUSE}."
    title = find_remedy(failure.kind if failure else None).title
    if failure and failure.kind == "oom" and "CUDA" not in failure.message:
        title = "Out of memory"
    return f"{title} {tell_place(status, history)}."


def tell_cause(status: Status, history: History) -> str:
    """What is known of a failure beyond `tell_failed`, which tells its kind and place."""
    place = tell_place(status, history)
    told = status.message
    if UNKNOWN_CAUSE in told:
        told = told.partition(f"{UNKNOWN_CAUSE}.")[2].strip()
    told = told.replace(f", {place}", "").replace(f" {place}", "")
    is_word = told.partition(" ")[0].isalpha()  # not torch.OutOfMemoryError
    return told[:1].upper() + told[1:] if is_word else told


def tell_stopped(status: Status, history: History) -> str:
    """Who stopped it, where, and from where it can go on."""
    return f"{status.message or f'Stopped {tell_place(status, history)}.'} {_resume_hint(status, history)}".rstrip()


def tell_lost(status: Status, history: History) -> str:
    """What the machine did, and what is kept."""
    kept = name_state(status.resumable) if status.resumable else ""
    whole = f" {kept[:1].upper()}{kept[1:]} is whole." if kept else ""
    return f"{status.message or f'Lost {tell_place(status, history)}.'}{whole}"


def _resume_hint(status: Status, history: History) -> str:
    if status.can_restart:
        return "Nothing was saved yet: Resume begins at the beginning."
    if status.resumable is None:
        return "No state was saved." if status.state else ""
    step, _ = find_where(status, history)
    there = "there" if status.resumable.step == step else f"step {status.resumable.step:,}"
    return f"Resume goes on from {there}."


# ---- what is kept ----------------------------------------------------------------------------------------------------
def tell_kept(status: Status, history: History) -> str:
    """What is kept of a run that ended early, and what a resume does again."""
    if status.state not in ("failed", "lost", "stopped"):
        return ""
    kept = status.resumable
    if status.can_restart:
        return "Nothing was saved yet: Resume begins at the beginning, with what was encoded."
    if kept is None:
        return "No state was saved, so it can only begin anew."
    step, _ = find_where(status, history)
    again = max(0, (step or 0) - kept.step)
    name = f"epoch {kept.epoch} (step {kept.step:,})" if kept.position == 0 and kept.epoch else f"step {kept.step:,}"
    pace = history.seconds_per_step
    time_again = f", about {words.duration(again * pace)}" if pace and again else ""
    repeats = f"resuming repeats {words.plural(again, 'step')}{time_again}" if again else "resuming repeats nothing"
    return f"Nothing is lost. The state of {name} is whole; {repeats}."


def tell_fix(status: Status) -> str:
    """What a person can do about a failure."""
    return find_remedy(status.failure.kind).fix if status.state == "failed" and status.failure else ""
