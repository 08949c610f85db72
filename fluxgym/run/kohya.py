"""States of kohya's sd-scripts: where a command of theirs can be resumed from. Standard library only.

A state is a folder as accelerate saves it, named <output name>-000004-state, <output name>-step00000200-state or, at the end,
<output name>-state, with how far it is in train_state.json.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from fluxgym.run.lora_file import find_damage
from trainer.folder import State

SCRIPT = re.compile(r"(?:\w+_)?(?:train(?:_network|_db|_textual_inversion|_control_net\w*|_leco)?|fine_tune)\.py")
STATE_FILE = "train_state.json"
TORCH_FILES = ("optimizer.bin", "scheduler.bin", "random_states_0.pkl")  # zip archives, whose directory is at their end
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # one of them


def is_kohya(command: Sequence[str]) -> bool:
    """Whether a command line runs one of their scripts itself, so that it understands one more option at its end."""
    words = [word for word in command if not re.search(r"\s", word)]
    return "-c" not in command and any(SCRIPT.fullmatch(Path(word).name) for word in words)


def find_states(folders: Iterable[Path]) -> list[State]:
    """All states in these folders by step, incomplete ones included (see State.problem)."""
    paths = {path.resolve() for folder in folders for path in folder.glob("*-state") if path.is_dir()}
    return sorted(map(read_state, paths), key=lambda state: (state.step, state.epoch, state.path.name))


def read_state(path: Path) -> State:
    """How far a state is, and what is missing in it. `position` only tells whether it is at the end of an epoch (0)."""
    try:
        said = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
        step, epoch = int(said["current_step"]), int(said["current_epoch"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return State(path, 0, 0, 0, f"{STATE_FILE} cannot be read: {error}")
    position = 1 if re.search(r"-step\d+-state$", path.name) else 0
    return State(path, step, epoch, position, _find_problem(path))


def _find_problem(path: Path) -> str:
    for name in TORCH_FILES:
        if not zipfile.is_zipfile(path / name):
            return f"{name} is not whole" if (path / name).exists() else f"{name} is not there"
    weights = next((path / name for name in WEIGHTS if (path / name).exists()), None)
    if weights is None:
        return f"{' or '.join(WEIGHTS)} is not there"
    if weights.suffix == ".bin":
        return "" if zipfile.is_zipfile(weights) else f"{weights.name} is not whole"
    damage = find_damage(weights)
    return f"{weights.name} is damaged: {damage}" if damage else ""
