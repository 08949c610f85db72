"""States to resume from: a folder each, written beside and renamed, so that a state is whole or not there.

A state holds the LoRA in fp32, its moving average where there is one, what the optimizer remembers, where the training stood,
and the settings that its mathematics depends on: tensors as .safetensors, all else as .json, nothing pickled. Nothing random is
in it: noise and order are functions of (seed, step) and (seed, epoch, position)."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from trainer.config import MAY_CHANGE, Data, Lora, Model, Section, Train
from trainer.disk import BESIDE, NotWritten, sync_folder, write_whole
from trainer.folder import STATE_FILE, RunFolder, read_state
from trainer.lora_file import serialise
from trainer.optimizers import Kept, keep, put_back
from trainer.report import warn
from trainer.unusable import Unusable

VERSION, OLDEST = 2, 1  # written; read. Version 1 had AdamW's tensors alone, under the same names
LORA, OPTIMIZER, AVERAGE = "lora.safetensors", "optimizer.safetensors", "average.safetensors"
WRITING, REPLACED = BESIDE, ".old"  # ends of names; no state to any reader
Settings = dict[str, Any]


class StateError(Unusable):
    """A state that cannot be resumed from. `problems` holds one sentence each."""

    def __init__(self, path: Path, problems: list[str]):
        super().__init__(f"{path} cannot be resumed from", problems)
        self.path = path


@dataclass
class Progress:
    """Where a training stands."""

    step: int = 0  # optimizer steps done
    epoch: int = 0  # epochs finished
    position: int = 0  # batches done in the epoch under way
    losses: list[float] = field(default_factory=list)  # the last epoch's worth, for the average shown


@dataclass(frozen=True)
class Content:
    """What a state holds."""

    progress: Progress
    settings: Settings
    weights: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] | None = None  # of the weights, where one is kept


def save_state(path: Path, content: Content, is_asked_for: bool = False) -> None:
    """Writes a state. When this returns it is on the disk, whole, under its name. Raises NotWritten.

    One that a person asked for stays such a one when it is written again."""
    beside = path.with_name(path.name + WRITING)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        _write(beside, content, is_asked_for or read_state(path).is_asked_for)
        _take_place(beside, path)
    except OSError as error:
        tidy_states(RunFolder(path.parent))
        raise NotWritten(path, error) from error


def read_progress(path: Path, settings: Settings) -> Progress:
    """Where a state stands. Raises StateError when it is damaged, or when its training was another one."""
    state = read_state(path)
    if state.problem:
        raise StateError(path, [state.problem])
    said = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
    if said.get("version") not in range(OLDEST, VERSION + 1):
        raise StateError(path, [f"got a state of version {said.get('version')}, expected version {OLDEST} to {VERSION}"])
    then = _complete(said["settings"], settings)
    problems = [
        f"{name}: the state has {then.get(name)!r}, the settings have {settings.get(name)!r}"
        for name in sorted(then.keys() | settings.keys())
        if name not in MAY_CHANGE and then.get(name) != settings.get(name)
    ]
    if problems:
        cure = f"put them back, or start a new run with the new ones. A resume may change {', '.join(MAY_CHANGE)}"
        raise StateError(path, [*problems, f"expected the same; {cure}"])
    _tell_changes(then, settings)
    return Progress(state.step, state.epoch, state.position, [float(loss) for loss in said["losses"]])


def read_settings(path: Path | None) -> Settings:
    """The settings of a state's training: what "auto" became there stays. Empty without a state, or where it is damaged."""
    if path is None or read_state(path).problem:
        return {}
    return dict(json.loads((path / STATE_FILE).read_text(encoding="utf-8")).get("settings", {}))


def _complete(then: Settings, now: Settings) -> Settings:
    """A setting that did not exist yet when a state was written: its default is what was done before."""
    train = Train.model_validate({"shift": then.get("train.shift", "auto")})  # in which a number alone means something
    before = {f"train.{name}": value for name, value in train.model_dump().items()}
    sections: dict[str, type[Section]] = {"model": Model, "data": Data, "lora": Lora}
    for section, kind in sections.items():
        before |= {f"{section}.{name}": field.default for name, field in kind.model_fields.items()}
    before |= {"model.quantise": "none", "speed.compile": False}
    return {name: before[name] for name in now.keys() - then.keys() if name in before} | then


def _tell_changes(then: Settings, now: Settings) -> None:
    """What goes on under other settings is not what a training of one piece had made; so each change is told."""
    falls = now.get("train.decay") or now.get("train.schedule", "constant") != "constant"
    for name in MAY_CHANGE:
        if then.get(name) != now.get(name):
            more = "; the learning rate falls over other steps" if name == "train.epochs" and falls else ""
            warn(f"{name}: {then.get(name)} before, {now.get(name)} from here{more}")


def load_state(
    path: Path, weights: dict[str, Tensor], optimizer: torch.optim.Optimizer, average: dict[str, Tensor] | None = None
) -> None:
    """Puts a state's weights, their average and what the optimizer remembered in place."""
    _copy(load_file(path / LORA), weights)
    if average is not None:
        _copy(load_file(path / AVERAGE), average)
    said = json.loads((path / STATE_FILE).read_text(encoding="utf-8")).get("optimizer", {})
    put_back(optimizer, weights, Kept(load_file(path / OPTIMIZER), said.get("numbers", {}), said.get("groups", [])))


def prune_states(folder: RunFolder, keep: int) -> None:
    """Deletes all but the `keep` states written last, those apart that were asked for; 0 keeps all.

    Call when the newest is whole."""
    whole = [state.path for state in folder.states() if not state.problem and not state.is_asked_for]
    by_age = sorted(whole, key=lambda path: (path / STATE_FILE).stat().st_mtime_ns)
    for path in by_age[:-keep] if keep else []:
        _delete(path)


def tidy_states(folder: RunFolder) -> None:
    """Clears away what an interrupted save has left; a state that was being replaced comes back."""
    for path in folder.path.glob(f"*-state{REPLACED}"):
        name = path.with_name(path.name.removesuffix(REPLACED))
        if name.exists():
            shutil.rmtree(path)
        else:
            path.replace(name)
    for path in folder.path.glob(f"*-state{WRITING}"):
        shutil.rmtree(path)


def _write(beside: Path, content: Content, is_asked_for: bool) -> None:
    beside.mkdir(parents=True)
    progress, kept = content.progress, keep(content.optimizer, content.weights)
    files = {LORA: _plain(content.weights), OPTIMIZER: kept.tensors}
    files |= {} if content.average is None else {AVERAGE: _plain(content.average)}
    for name, tensors in files.items():
        write_whole(beside / name, serialise(tensors, {}))
    said = {
        "version": VERSION,
        "step": progress.step,
        "epoch": progress.epoch,
        "position": progress.position,
        "files": {name: (beside / name).stat().st_size for name in files},
        "losses": progress.losses,
        "is_asked_for": is_asked_for,
        "settings": content.settings,
        "optimizer": {"numbers": kept.numbers, "groups": kept.groups},
    }
    write_whole(beside / STATE_FILE, json.dumps(said, indent=1).encode())


def _take_place(beside: Path, path: Path) -> None:
    replaced = path.with_name(path.name + REPLACED)
    shutil.rmtree(replaced, ignore_errors=True)
    if path.exists():
        path.replace(replaced)  # a folder cannot be renamed over another that has files; tidy_states mends a stop here
    beside.replace(path)
    sync_folder(path.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _delete(path: Path) -> None:
    """Under another name first, so that no half of it is ever taken for a state."""
    doomed = path.with_name(path.name + WRITING)
    shutil.rmtree(doomed, ignore_errors=True)
    path.replace(doomed)
    shutil.rmtree(doomed)


def _plain(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def _copy(saved: dict[str, Tensor], place: dict[str, Tensor]) -> None:
    for name, tensor in saved.items():
        place[name].data.copy_(tensor)
