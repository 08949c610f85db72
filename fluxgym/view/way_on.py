"""How a run that ended goes on: what its primary button does, what that changes, and the states it can begin from."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxgym.log.history import History, get_history
from fluxgym.log.remedies import DOWNLOAD, LOWER_RATE, RESUME, SMALLER, find_remedy
from fluxgym.run.again import find_smaller
from fluxgym.run.base_model import find_model_file, hub_cache
from fluxgym.run.folders import log_of
from fluxgym.run.record import read_record
from fluxgym.run.resuming import Left, find_left, find_states
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.run.status import Status
from fluxgym.view import words
from fluxgym.view.ended import find_state_before
from trainer.folder import RunFolder, State

ANEW = "anew"  # what a way on does, beside RESUME, an attempt more, and DOWNLOAD: another run with its settings
MODEL_FILE = re.compile(r"\b[a-z][a-z_0-9]*/[\w.-]+\.(?:safetensors|json|model)\b", re.ASCII)  # as trainer/model.py names one
EPOCHS, RATE = "train.epochs", "train.learning_rate"


@dataclass(frozen=True)
class WayOn:
    """One button. `does` is RESUME, ANEW or DOWNLOAD; `changes` are settings by dotted name."""

    does: str
    label: str
    told: str = ""  # what changes, a sentence
    changes: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None  # the damaged one, which is forgotten before a DOWNLOAD
    state: State | None = None  # to resume from; None: the furthest
    is_cure: bool = True  # False: it fails again until a person has set something right


@dataclass(frozen=True)
class Choice:
    """A state to resume from, for people."""

    state: State
    size: int  # bytes
    modified: float  # s since 1970
    is_late: bool = False  # saved when the loss was no number any more: of no use

    def tell_left(self, history: History, epochs: int | None = None) -> str:
        """What is left from it to the end of so many epochs; None: as many as before. 760 steps left to epoch 16, about 1 h"""
        left = find_left(self.state, history, epochs) or self._find_left(epochs)
        if left is None:
            return "how much is left is not known"
        if not left.steps:
            return "nothing left"
        last = epochs or history.total_epochs
        end = f" to epoch {last:,}" if last else ""
        return f"{words.plural(left.steps, 'step')} left{end}" + (
            f", about {words.duration(left.seconds)}" if left.seconds else ""
        )

    def _find_left(self, epochs: int | None) -> Left | None:
        """Without a log: an epoch has as many steps as those before the state had."""
        step, done = self.state.step, self.state.epoch
        return None if self.state.position or not done or not epochs else Left(max(0, step * epochs // done - step), None)

    @property
    def label(self) -> str:
        """Epoch 8, step 760"""
        state = self.state
        return f"Epoch {state.epoch:,}, step {state.step:,}" if not state.position and state.epoch else f"Step {state.step:,}"

    def tell_age(self, now: float | None = None) -> str:
        """3.4 MiB, saved 5 m ago"""
        now = time.time() if now is None else now
        late = ", after the loss became no number" if self.is_late else ""
        return f"{words.size(self.size)}, saved {words.age(now - self.modified)}{late}"


def list_choices(folder: RunFolder) -> list[Choice]:
    """All states of a run, the furthest first, damaged ones included (see State.problem).

    Those that were saved when the loss was no number any more come last."""
    nan_at = _find_nan(folder)
    found = [choice for state in reversed(find_states(folder, read_record(folder))) if (choice := _choice(state, nan_at))]
    return sorted(found, key=lambda choice: choice.is_late)


def find_start(folder: RunFolder) -> State | None:
    """The state from before the loss was no number; None where it is one, or no such state is there: the furthest is used."""
    nan_at = _find_nan(folder)
    return None if nan_at is None else find_state_before(folder, nan_at)


def _find_nan(folder: RunFolder) -> int | None:
    history = get_history(log_of(folder))
    history.update()
    return history.nan_at


def find_setting(folder: RunFolder, name: str) -> Any:
    """One of the run's settings as its config.toml says it; None where it does not."""
    section, key = name.split(".")
    try:
        return read_settings(folder).get(section, {}).get(key)
    except (SettingsError, AttributeError):
        return None


def find_way_on(folder: RunFolder, status: Status) -> WayOn | None:
    """What helps most after an end, for one button; None where it can only begin anew, as it was."""
    has_failed = status.state == "failed" and status.failure is not None
    action = find_remedy(status.failure.kind).action if has_failed and status.failure else ""
    can_resume = bool(status.resumable or status.can_restart)
    if status.is_ours and action == SMALLER and (way := _find_smaller(folder, status)):
        return way
    if status.is_ours and action == LOWER_RATE and can_resume and isinstance(rate := find_setting(folder, RATE), float):
        told = f"A learning rate of {words.learning_rate(rate / 2)} instead of {words.learning_rate(rate)}."
        start = find_start(folder)
        told += f" From step {start.step:,}, before the loss became no number." if start else ""
        return WayOn(RESUME, "Resume with half the learning rate", told, {RATE: rate / 2}, state=start)
    if not can_resume:
        return None
    if status.is_ours and action == DOWNLOAD and status.failure and (file := _find_damaged(folder, status.failure.message)):
        told = f"{file.parent.name}/{file.name} is deleted from the Hub's cache, and fetched anew when the training begins."
        return WayOn(DOWNLOAD, "Download that file again", told, file=file)
    if has_failed and action != RESUME:
        return WayOn(RESUME, "Try again", is_cure=False)
    return WayOn(RESUME, "Resume")


def _find_damaged(folder: RunFolder, message: str) -> Path | None:
    """The file of the base model that a failure names, where it is one that was downloaded; a person's own is not touched."""
    base, named = find_setting(folder, "model.base"), MODEL_FILE.search(message)
    file = find_model_file(base, named[0]) if isinstance(base, str) and named else None
    return file if file and file.is_relative_to(hub_cache()) else None


def _find_smaller(folder: RunFolder, status: Status) -> WayOn | None:
    try:
        step = find_smaller(folder)
    except SettingsError:
        return None
    if step is None:
        return None
    keeps = status.can_restart or (step.keeps_states and status.resumable is not None)
    if keeps:
        return WayOn(RESUME, "Go on with less memory", f"It goes on with {step.words}.", step.changes)
    told = f"It begins anew as another run, with {step.words}: the states of this one do not fit that."
    return WayOn(ANEW, "Begin anew with less memory", told, step.changes)


def _choice(state: State, nan_at: int | None) -> Choice | None:
    try:
        size = sum(file.stat().st_size for file in state.path.rglob("*") if file.is_file())
        return Choice(state, size, state.path.stat().st_mtime, nan_at is not None and state.step >= nan_at)
    except OSError:  # it was just removed
        return None
