"""What a training needs of memory and disk, counted by the trainer in a process of its own (trainer/estimate.py).

It takes some seconds, so a page begins it and looks again; what was counted once is kept by the settings that matter."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxgym.job.begin import JobIsActive, forget_job, start_job
from fluxgym.job.folder import DONE, FAILED, Job, find_job, list_jobs, read_job
from fluxgym.models.known import find_known
from fluxgym.run.base_model import find_kind, find_model_folder
from fluxgym.run.gpu import Gpu, list_gpus
from fluxgym.run.places import Place, PlaceError
from trainer.buckets import Size
from trainer.config import Config, dump_config
from trainer.disk import write_whole

KIND = "estimate"
CPU, CUDA = "cpu", "cuda"
HOST = Path("/proc/meminfo")
KEPT = 30  # estimates
WAIT = 0.2  # s between two looks
STEP = 2**29  # bytes; free memory that differs by less is the same
TRAIN = ("optimizer", "ema", "gradient_checkpointing", "accumulation")  # settings of [train] that memory depends on


@dataclass(frozen=True)
class Way:
    """One way to arrange a training in memory."""

    bytes: int
    parts: dict[str, int]  # weights, lora, activations, other
    words: str  # "base in int8, 12 of 57 blocks checkpointed"
    room: int | None = None  # bytes that it was to fit into


@dataclass(frozen=True)
class Estimate:
    """What the trainer counted. Bytes and FLOPs."""

    device: str  # cpu or cuda
    chosen: Way | None  # None: that depends on a GPU that is not known
    presets: dict[str, Way]  # by GB of GPU memory
    lora_bytes: int  # of one file
    state_bytes: int
    step_flops: float  # forward and backward, once


@dataclass(frozen=True)
class Question:
    """What is to be estimated, and for which device."""

    config: Config
    size: Size  # px of the largest image, as it is learned
    device: str
    free: int | None  # bytes of the GPU

    @property
    def job(self) -> Job:
        return find_job(KIND, self.key)

    @property
    def key(self) -> str:
        """The same for all that needs the same."""
        config = self.config
        told = {
            "model": config.model.model_dump(),
            "lora": config.lora.model_dump(),
            "memory": config.memory.model_dump(),
            "batch": config.data.batch_size,
            "save": config.save.dtype,
            "train": {name: getattr(config.train, name) for name in TRAIN},
            "about": (self.size, self.device, self.free),
            "is_here": is_here(config),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def ask(config: Config, size: Size | None = None, gpus: list[Gpu] | None = None) -> Question:
    """The question for this machine. `size`: a square of the resolution where it is not known."""
    there = list_gpus() if gpus is None else gpus
    side = max(config.data.resolutions)
    is_cuda = bool(there) and config.model.device != CPU
    free = max((find_free(gpu) or 0 for gpu in there), default=0)
    room = free // STEP * STEP if is_cuda and free and config.memory.preset == "auto" else None
    return Question(config, size or (side, side), CUDA if is_cuda else CPU, room)


def is_here(config: Config) -> bool:
    """Whether how the base is built can be read on this machine."""
    return bool(find_kind(config.model.base)) or find_model_folder(config.model.base) is not None


def read_estimate(question: Question) -> Estimate | None:
    """The answer; None where it is not there yet. See `find_trouble`."""
    status = read_job(question.job)
    if status is None or status.state != DONE:
        return None
    try:
        said = json.loads(question.job.log.read_text(encoding="utf-8").splitlines()[-1])
        return _parse(said)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def get_estimate(question: Question, patience: float) -> Estimate | None:
    """The answer, for which it waits so many seconds. Raises OSError."""
    deadline = time.monotonic() + patience
    while (estimate := read_estimate(question)) is None and not find_trouble(question) and time.monotonic() < deadline:
        begin_estimate(question)
        time.sleep(WAIT)
    return estimate


def find_trouble(question: Question) -> str:
    """Why there can be no answer; empty while there may be one."""
    status = read_job(question.job)
    return status.message if status and status.state == FAILED else ""


def begin_estimate(question: Question) -> None:
    """Has it counted, where that was not tried yet and nothing else is being counted. Raises OSError."""
    if read_job(question.job) or any(status.is_active for status in list_jobs(KIND)):
        return
    known = None if is_here(question.config) else find_known(question.config.model.base)
    command = ["-m", "trainer", "estimate", str(question.job.path / "config.toml"), "--device", question.device]
    command += ["--size", f"{question.size[0]}x{question.size[1]}"]
    command += ["--free", str(question.free)] if question.free else []
    command += ["--built-as", json.dumps({"family": known.family, **known.transformer})] if known else []
    question.job.path.mkdir(parents=True, exist_ok=True)
    write_whole(question.job.path / "config.toml", dump_config(question.config).encode())
    try:
        start_job(KIND, question.key, command, "Estimating memory")
    except JobIsActive:  # another page was a moment faster
        return
    _tidy()


def _tidy() -> None:
    for status in list_jobs(KIND)[KEPT:]:
        if not status.is_active:
            forget_job(status.job)


def find_room(question: Question, way: Way) -> int | None:
    """Bytes that there are for it; None where nobody knows."""
    return read_host_memory() if question.device == CPU else way.room


def read_host_memory(file: Path = HOST) -> int | None:
    """Bytes that programs can still have; None where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in file.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None


def find_free(gpu: Gpu) -> int | None:
    """Bytes of its memory that nothing will have taken when a training begins; None where it does not tell.

    A run that holds it now is waited for, and gives back what it has."""
    if gpu.memory_total is None or gpu.memory_used is None:
        return None
    return gpu.memory_total - (gpu.memory_used if _is_free(gpu) else 0)


def _is_free(gpu: Gpu) -> bool:
    try:
        return Place(f"GPU {gpu.index}", gpu.uuid).is_free
    except PlaceError:  # the locks are somebody else's: told by the look before the start
        return True


def _parse(said: dict[str, Any]) -> Estimate:
    return Estimate(
        said["device"],
        _way(said["chosen"]) if said["chosen"] else None,
        {size: _way(way) for size, way in said["presets"].items()},
        int(said["lora_bytes"]),
        int(said["state_bytes"]),
        float(said["step_flops"]),
    )


def _way(said: dict[str, Any]) -> Way:
    return Way(int(said["bytes"]), dict(said["parts"]), str(said["words"]), said.get("room"))
