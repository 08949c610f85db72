"""The LoRA files and the states of a run: after which epoch and step, how large, how old."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.history import History
from trainer.folder import RunFolder, State, read_state

BETWEEN = re.compile(r".*-step\d{8}(?:-state|\.safetensors)")
MARK = re.compile(r".*-(?:(?P<epoch>\d{6})|step(?P<step>\d{8}))")
KOHYA_STATE = "train_state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A LoRA file or a folder with a state. None is what neither its name nor the log says."""

    path: Path
    epoch: int | None
    step: int | None
    size: int  # bytes
    modified: float  # seconds since 1970
    is_final: bool = False
    problem: str = ""  # why a state cannot be resumed from
    validation: float | None = None  # loss at its step, of a LoRA

    @property
    def label(self) -> str:
        if self.is_final:
            return "final"
        is_between = BETWEEN.fullmatch(self.path.name) and self.step  # epochs that are over say less than its step
        if self.epoch is not None and not is_between:
            return f"epoch {self.epoch:,}"
        return f"step {self.step:,}" if self.step is not None else "-"


def list_loras(folder: RunFolder, history: History) -> list[Checkpoint]:
    """The LoRA files, the newest first; those of other tools with their own names too."""
    found = [_lora(path, history) for path in folder.path.glob("*.safetensors") if path.is_file()]
    return sorted((lora for lora in found if lora), key=lambda lora: (-lora.modified, lora.path.name))


def list_states(folder: RunFolder) -> list[Checkpoint]:
    """The states to resume from, the furthest first, damaged ones included."""
    found = [_state(path) for path in folder.path.glob("*-state") if path.is_dir()]
    return sorted((state for state in found if state), key=lambda state: (-(state.step or 0), state.path.name))


def _lora(path: Path, history: History) -> Checkpoint | None:
    try:
        there = path.stat()
    except OSError:
        return None  # it was just removed
    mark = MARK.fullmatch(path.stem)
    epoch, step = history.saved.get(path.name, (None, None))
    if mark is None and step is None and history.finished:
        epoch, step = history.epoch, history.total_steps
    if mark and mark["step"]:
        step = int(mark["step"])
    elif mark:
        epoch = int(mark["epoch"])
        step = _last_step(history, epoch) if step is None else step
    said = dict(history.validation).get(step) if step is not None else None
    return Checkpoint(path, epoch, step, there.st_size, there.st_mtime, is_final=mark is None, validation=said)


def _last_step(history: History, epoch: int) -> int | None:
    """The step with which an epoch ended, as far as the log says where the next one begins."""
    first = dict(history.epochs).get(epoch + 1)
    return first - 1 if first is not None else None


def _state(path: Path) -> Checkpoint | None:
    try:
        files = [file.stat() for file in path.rglob("*") if file.is_file()]
        modified = path.stat().st_mtime
    except OSError:
        return None
    said = read_state(path)
    epoch, step = (said.epoch, said.step) if not said.problem else _foreign_state(path, said)
    return Checkpoint(path, epoch, step, sum(file.st_size for file in files), modified, problem=said.problem)


def _foreign_state(path: Path, ours: State) -> tuple[int | None, int | None]:
    """What a damaged state of ours, or one of kohya's, still says."""
    if ours.step:
        return ours.epoch, ours.step
    try:
        said = json.loads((path / KOHYA_STATE).read_text(encoding="utf-8"))
        return int(said["current_epoch"]), int(said["current_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
