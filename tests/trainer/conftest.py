"""What the trainer's tests share: a small training of flux-mini, in this process or as a real one."""

import contextlib
import copy
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from PIL import Image

from trainer import mini
from trainer.config import Config, Model, parse_config
from trainer.folder import RunFolder
from trainer.interrupt import Stop

ROOT = Path(__file__).parent.parent.parent
LOSS = re.compile(r"\| (\d+)/\d+ \[.*, loss=([\d.]+|nan), ")
CALM = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin while waiting starve their neighbours
os.environ.update(CALM)  # before anything here has imported torch


@pytest.fixture
def small(small_settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a training of 3 epochs of 4 steps that takes a second; a test changes what it is about."""
    return copy.deepcopy(small_settings)


@pytest.fixture(scope="session")
def small_settings() -> dict[str, Any]:
    return {
        "name": "small",
        "trigger": "sks robot",
        "model": {"base": str(mini.MODEL), "dtype": "fp32", "device": "cpu", "max_sequence_length": 24},
        "data": {
            "folder": str(mini.DATASET),
            "resolution": 64,
            "repeats": 1,
            "batch_size": 4,
            "validation_images": 2,
            "regularisation": str(mini.REGULARISATION),
            "regularisation_images": 1,
        },
        "lora": {"rank": 4, "alpha": 8.0},
        "train": {"epochs": 3, "learning_rate": 2e-3, "warmup_steps": 2, "decay": 0.5, "gradient_checkpointing": False},
        "sample": {"prompts": ["a [trigger] in the snow"], "steps": 2, "width": 64, "height": 64, "every_epochs": 0},
        "save": {"every_epochs": 2, "state_every_epochs": 1, "keep_states": 2, "dtype": "fp32"},
    }


@pytest.fixture
def config(small: dict[str, Any]) -> Config:
    return parse_config(small)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents and texts of all tests' trainings: whatever differs has another name, so they can share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make_run(tmp_path: Path, shared_cache: Path) -> Callable[..., RunFolder]:
    """make_run(settings, name, cached): a run's folder with its config.toml, and the cache that tests share."""

    def make(settings: dict[str, Any], name: str = "small", cached: bool = True) -> RunFolder:
        folder = RunFolder(tmp_path / "outputs" / name)
        folder.path.mkdir(parents=True, exist_ok=True)
        if cached and not folder.shared_cache().exists():
            folder.shared_cache().symlink_to(shared_cache)
        folder.config.write_text(tomli_w.dumps({**settings, "name": name}), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def learn(make_run: Callable[..., RunFolder]) -> Callable[..., RunFolder]:
    """learn(settings, name, resume): a whole training in this process."""
    from trainer.loop import train

    def run(settings: dict[str, Any], name: str = "small", resume: Path | None = None) -> RunFolder:
        folder = make_run(settings, name)
        assert train(parse_config({**settings, "name": name}), folder, resume, Stop())
        return folder

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """command(folder, state): the command line of a training."""

    def make(folder: RunFolder, resume: Path | None = None) -> list[str]:
        more = ["--resume", str(resume)] if resume else []
        return [sys.executable, "-m", "trainer", str(folder.config), *more]

    return make


@pytest.fixture(scope="session")
def run_trainer(command: Callable[..., list[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run_trainer(folder, state): a real `python -m trainer` to its end, with what it said in stdout."""

    def run(folder: RunFolder, resume: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(folder, resume),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def find_children(pid: int) -> list[int]:
    """The processes that a process of ours has started; none when it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@pytest.fixture
def start_process() -> Any:
    """start_process(command, log, **options of Popen): one in the background, killed with its children at the test's end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        for pid in [*find_children(process.pid), *([process.pid] if process.poll() is None else [])]:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def start_trainer(command: Callable[..., list[str]], start_process: Callable[..., Any]) -> Callable[..., Any]:
    """start_trainer(folder, log, resume, **options of Popen): a real one in the background."""

    def start(folder: RunFolder, log: Path, resume: Path | None = None, **options: Any) -> Any:
        return start_process(command(folder, resume), log, **options)

    return start


@pytest.fixture
def launch_command() -> Callable[..., list[str]]:
    """launch_command(processes, *what): `accelerate launch` of a module or a script with its arguments."""

    def make(processes: int, *what: str) -> list[str]:
        kind = "--cpu" if processes == 1 else "--multi_gpu"  # --cpu starts one process whatever is asked for
        launch = [sys.executable, "-m", "accelerate.commands.launch", kind, "--num_processes", str(processes)]
        launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
        return [*launch, *what]

    return make


@pytest.fixture
def read_losses() -> Callable[[str], dict[int, float]]:
    """The loss of each step in a log."""
    return lambda text: {int(step): float(loss) for step, loss in LOSS.findall(text)}


@pytest.fixture
def transformer() -> Any:
    """flux-mini's transformer, frozen, in fp32."""
    import torch
    from diffusers import FluxTransformer2DModel

    model = FluxTransformer2DModel.from_pretrained(mini.MODEL, subfolder="transformer", dtype=torch.float32)
    return model.requires_grad_(False)


@pytest.fixture
def family() -> Any:
    """flux-mini as a family of models, in fp32 on the CPU."""
    import torch

    from trainer.families import find_base

    return find_base(Model(base=str(mini.MODEL), dtype="fp32", max_sequence_length=24), torch.device("cpu"))


@pytest.fixture(scope="session")
def florence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Florence-2 that knows three colours (captioners.py)."""
    from tests.trainer.captioners import make_florence

    return make_florence(tmp_path_factory.mktemp("florence"))


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """make_folder(captions, size): a folder of one image for each caption."""

    def make(captions: dict[str, str | None], size: tuple[int, int] = (80, 64)) -> Path:
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for number, (name, caption) in enumerate(captions.items()):
            Image.new("RGB", size, (number * 20, 100, 200)).save(folder / name)
            if caption is not None:
                (folder / name).with_suffix(".txt").write_text(caption, encoding="utf-8")
        return folder

    return make
