"""The run folder: the one class that knows which file of a run lies where.

Standard library only, so that the process which guards a run stays small. `trainer` writes through it, `fluxgym` reads
through it; nobody else joins path strings. README holds the table of who writes and who reads each file.
"""

import json
import re
from dataclasses import dataclass
from math import inf
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit and not ending with '.'"
LOG_PART = re.compile(r"training\.(\d{4,9})\.log(?:\.gz)?")
STATE_FILE = "state.json"


def check_name(name: str) -> str:
    """The name itself where it can name a run: a folder, a file and a part of an address alike.

    Raises ValueError otherwise, saying what was got and what was expected."""
    if not NAME.fullmatch(name) or name.endswith("."):
        shown = name if len(name) <= 80 else f"{name[:80]}... ({len(name)} characters)"
        raise ValueError(f"got the name {shown!r}, expected {NAME_RULE}")
    return name


@dataclass(frozen=True)
class State:
    """One saved state of a training. `problem` is empty when it can be resumed from."""

    path: Path
    step: int  # optimizer steps done
    epoch: int  # epochs finished
    position: int  # batches done in the epoch under way
    problem: str = ""
    is_asked_for: bool = False  # by a person, at once: the training deletes it for no newer one


@dataclass(frozen=True)
class RunFolder:
    """Every path of one run. The folder's own name is the run's name."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def title(self) -> str:
        """What it is called where people read it; `name` is what it is found by."""
        return self.name

    @property
    def is_read_only(self) -> bool:
        """Whether it is somebody else's: it is looked at, and nothing is written into it."""
        return False

    # ---- what the person set -------------------------------------------------------------------------------------
    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def ui_state(self) -> Path:
        return self.path / "ui_state.json"

    @property
    def sweep(self) -> Path:
        """Of which sweep it is, and what was set for it there; no other run has this file."""
        return self.path / "sweep.json"

    @property
    def board(self) -> Path:
        """The stars and notes of its LoRA files."""
        return self.path / "board.json"

    @property
    def share(self) -> Path:
        """Which links show this run: the hashes of their tokens, never a link."""
        return self.path / "share.json"

    # ---- what guards the run -------------------------------------------------------------------------------------
    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def lock(self) -> Path:
        return self.path / "run.lock"

    @property
    def care(self) -> Path:
        return self.path / "care.json"

    @property
    def heartbeat(self) -> Path:
        """Written every few seconds while a supervisor guards the run; taken away when it ends."""
        return self.path / "heartbeat"

    @property
    def job_script(self) -> Path:
        """What a cluster's scheduler was given for the last start."""
        return self.path / "job.sh"

    @property
    def stop_now(self) -> Path:
        """There while somebody on another machine wants the run to stop; the supervisor takes it away."""
        return self.path / "stop-now"

    @property
    def save_now(self) -> Path:
        """There while somebody waits for a checkpoint; the training takes it away."""
        return self.path / "save-now"

    @property
    def sample_now(self) -> Path:
        """There while somebody waits for samples; the training takes it away."""
        return self.path / "sample-now"

    @property
    def training_log(self) -> Path:
        return self.path / "training.log"

    @property
    def monitor_log(self) -> Path:
        return self.path / "monitor.log"

    @property
    def old_logs(self) -> Path:
        return self.path / "logs"

    def log_part(self, number: int) -> Path:
        """What was moved out of training.log when it was full, counted from 1: logs/training.0001.log."""
        return self.old_logs / f"training.{number:04d}.log"

    def log_parts(self) -> dict[int, Path]:
        """The parts that are there, by number; a packed one ends in .log.gz. Where both are there, the plain one."""
        names = sorted((path.name for path in self.old_logs.glob("training.*")), reverse=True)
        found = {int(match[1]): self.old_logs / name for name in names if (match := LOG_PART.fullmatch(name))}
        return {number: found[number] for number in sorted(found)}

    # ---- what the training makes ---------------------------------------------------------------------------------
    @property
    def lora(self) -> Path:
        return self.path / f"{self.name}.safetensors"

    def epoch_lora(self, epoch: int) -> Path:
        """The LoRA after `epoch` finished epochs: <name>-000004.safetensors."""
        return self.path / f"{self.name}-{epoch:06d}.safetensors"

    def step_lora(self, step: int) -> Path:
        """The LoRA that was asked for at once, after `step` steps: <name>-step00000123.safetensors."""
        return self.path / f"{self.name}-step{step:08d}.safetensors"

    @property
    def kohya(self) -> Path:
        """Its LoRA files in kohya's form, where that is asked for."""
        return self.path / "kohya"

    def kohya_copy(self, lora: Path) -> Path:
        return self.kohya / lora.name

    def loras(self) -> list[Path]:
        """The LoRA files that are there, in the order of learning, the final one last."""
        epochs = {path: int(path.stem[-6:]) for path in self.path.glob(f"*-{'[0-9]' * 6}.safetensors")}
        learned: dict[Path, float] = {path: int(path.stem[-8:]) for path in self.path.glob(f"*-step{'[0-9]' * 8}.safetensors")}
        per_epoch = self._steps_per_epoch() if learned else 1
        learned |= {path: epoch * per_epoch for path, epoch in epochs.items()}
        return sorted(learned, key=lambda path: (learned[path], path.name)) + ([self.lora] if self.lora.is_file() else [])

    def _steps_per_epoch(self) -> float:
        """As a state says that has seen an epoch end; where there is none, what was asked for was learned before that."""
        known = (state for state in self.states() if state.epoch and not state.problem)
        return next(((state.step - state.position) / state.epoch for state in known), inf)

    def epoch_state(self, epoch: int) -> Path:
        """The state at the end of an epoch: <name>-4-state."""
        return self.path / f"{self.name}-{epoch}-state"

    def step_state(self, step: int) -> Path:
        """The state in the middle of an epoch: <name>-step00000123-state."""
        return self.path / f"{self.name}-step{step:08d}-state"

    def states(self) -> list[State]:
        """All saved states by step, damaged ones included (see State.problem)."""
        found = [read_state(path) for path in self.path.glob("*-state") if path.is_dir()]
        return sorted(found, key=lambda state: (state.step, state.epoch, state.path.name))

    def last_state(self) -> State | None:
        """The furthest state that can be resumed from."""
        return next((state for state in reversed(self.states()) if not state.problem), None)

    @property
    def samples(self) -> Path:
        return self.path / "sample"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def shared_cache(self) -> Path:
        """Latents and text embeddings of all runs beside this one: no run can have this name."""
        return self.path.absolute().parent / ".cache"

    @property
    def thumbnails(self) -> Path:
        return self.path / "cache" / "thumbnails"


def read_state(path: Path) -> State:
    """What a state folder says of itself; every file is compared with the size that its state.json promises."""
    try:
        said = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
        numbers = int(said["step"]), int(said["epoch"]), int(said["position"])
        files, asked = dict(said["files"]), bool(said.get("is_asked_for"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return State(path, 0, 0, 0, f"{STATE_FILE} cannot be read: {error}")
    for file, size in files.items():
        there = (path / file).stat().st_size if (path / file).is_file() else None
        if there != size:
            return State(path, *numbers, f"{file}: got {there} bytes, expected {size}", asked)
    return State(path, *numbers, is_asked_for=asked)
