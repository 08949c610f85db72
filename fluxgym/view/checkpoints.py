"""The LoRA files and the states of a run: after which epoch and step, how large, how old. Those of other tools too."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from fluxgym.log.history import History
from fluxgym.run.folders import is_text
from fluxgym.run.lora_file import Header, read_header
from trainer.folder import RunFolder, State, read_state

BETWEEN = re.compile(r".*-step\d{8}-state")
KOHYA_STATE = "train_state.json"
# Where LoRA files lie: ours and kohya's, ai-toolkit's; diffusers' and SimpleTuner's; OneTrainer's, and where it puts the last
PLACES = ("*.safetensors", "checkpoint-*/*.safetensors", "save/*.safetensors", "models/*.safetensors")
# What their names tell of epoch and step, in the order of trying; of a file in a folder also that of the folder
MARKS = (
    re.compile(r".*-step(?P<step>\d{8})\.safetensors"),  # ours and kohya's: robot-step00000123
    re.compile(r".*-(?P<epoch>\d{6})\.safetensors"),  # robot-000004
    re.compile(r".*_(?P<step>\d{9})\.safetensors"),  # ai-toolkit's: robot_000000500
    re.compile(r"checkpoint-(?P<step>\d{1,9})/.*"),  # diffusers' and SimpleTuner's
    re.compile(r"save/.*-save-(?P<step>\d{1,9})-\d+-\d+\.safetensors"),  # OneTrainer's: step, epoch, step of the epoch
)
Moment = tuple[int | None, int | None]  # epoch and step


@dataclass(frozen=True)
class Checkpoint:
    """A LoRA file or a folder with a state. None is what neither its name nor the log nor the file itself says."""

    path: Path
    epoch: int | None
    step: int | None
    size: int  # bytes
    modified: float  # seconds since 1970
    is_final: bool = False
    problem: str = ""  # why a state cannot be resumed from
    validation: float | None = None  # loss at its step, of a LoRA
    is_by_step: bool = False  # named after its step: the epochs that were over by then say less

    @property
    def label(self) -> str:
        if self.is_final:
            return "final"
        if self.epoch is not None and not (self.is_by_step and self.step):
            return f"epoch {self.epoch:,}"
        return f"step {self.step:,}" if self.step is not None else "-"


def list_loras(folder: RunFolder, history: History) -> list[Checkpoint]:
    """The LoRA files, the newest first; those of other tools with their own names too."""
    paths = [path for place in PLACES for path in folder.path.glob(place) if path.is_file() and is_text(str(path))]
    found = [_lora(folder, path, history) for path in paths]
    return sorted((lora for lora in found if lora), key=lambda lora: (-lora.modified, lora.path.name))


def list_states(folder: RunFolder) -> list[Checkpoint]:
    """The states to resume from, the furthest first, damaged ones included."""
    found = [_state(path) for path in folder.path.glob("*-state") if path.is_dir() and is_text(path.name)]
    return sorted((state for state in found if state), key=lambda state: (-(state.step or 0), state.path.name))


def place_of(folder: RunFolder, lora: Path) -> str:
    """Where a file lies in the run's folder, as addresses and the board have it."""
    return lora.relative_to(folder.path).as_posix()


def _lora(folder: RunFolder, path: Path, history: History) -> Checkpoint | None:
    try:
        there = path.stat()
    except OSError:
        return None  # it was just removed
    place = place_of(folder, path)
    mark = next((said for shape in MARKS if (said := shape.fullmatch(place))), None)
    named = {key: int(said) for key, said in mark.groupdict().items()} if mark else {}
    heard: Moment = history.saved.get(path.name, (None, None)) if place == path.name else (None, None)
    told = _told_by(read_header(path))
    if mark is None and heard[1] is None and history.finished:
        heard = history.epoch, history.total_steps
    epoch = _first(named.get("epoch"), heard[0], told[0])
    step = _first(named.get("step"), heard[1], told[1], _last_step(history, epoch) if "epoch" in named else None)
    loss = dict(history.validation).get(step) if step is not None else None
    size, modified = there.st_size, there.st_mtime
    return Checkpoint(path, epoch, step, size, modified, mark is None, validation=loss, is_by_step="step" in named)


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _told_by(header: Header) -> Moment:
    """Epoch and step as the file's metadata say them: kohya's and ours, or ai-toolkit's."""
    said = header.metadata
    try:
        info = json.loads(said.get("training_info", "{}"))
        epoch, step = said.get("ss_epoch", info.get("epoch")), said.get("ss_steps", info.get("step"))
        return None if epoch is None else int(epoch), None if step is None else int(step)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None, None


def _last_step(history: History, epoch: int | None) -> int | None:
    """The step with which an epoch ended, as far as the log says where the next one begins."""
    first = dict(history.epochs).get(epoch + 1) if epoch is not None else None
    return first - 1 if first is not None else None


def _state(path: Path) -> Checkpoint | None:
    try:
        files = [file.stat() for file in path.rglob("*") if file.is_file()]
        modified = path.stat().st_mtime
    except OSError:
        return None
    said = read_state(path)
    epoch, step = (said.epoch, said.step) if not said.problem else _foreign_state(path, said)
    size, is_by_step = sum(file.st_size for file in files), bool(BETWEEN.fullmatch(path.name))
    return Checkpoint(path, epoch, step, size, modified, problem=said.problem, is_by_step=is_by_step)


def _foreign_state(path: Path, ours: State) -> Moment:
    """What a damaged state of ours, or one of kohya's, still says."""
    if ours.step:
        return ours.epoch, ours.step
    try:
        said = json.loads((path / KOHYA_STATE).read_text(encoding="utf-8"))
        return int(said["current_epoch"]), int(said["current_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
