"""A training on two GPUs: all its processes stop, go on and are found as one training; one that is lost ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from fluxgym.run.family import find_family
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.fake_gpus import IDLE, FakeGpus
from tests.faults.tree import steps_of
from trainer import mini
from trainer.folder import RunFolder

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {
    "name": "two",
    "model": {"base": str(mini.MODEL), "dtype": "fp32", "device": "cpu", "max_sequence_length": 24},
    "data": {"folder": str(mini.DATASET), "resolution": 64, "repeats": 1, "batch_size": 2},
    "lora": {"rank": 4, "alpha": 4.0},
    "train": {"epochs": 1000, "gradient_checkpointing": False},
    "save": {"every_epochs": 0, "state_every_epochs": 0, "dtype": "fp32"},
}


@pytest.fixture
def fluxgym(tmp_path, outputs):
    """fluxgym(*verb): on a machine of two GPUs; what it said."""
    gpus = FakeGpus.make(tmp_path / "driver", IDLE.format(uuid="GPU-a"), IDLE.format(uuid="GPU-b"))
    variables = {**os.environ, **gpus.environment, "FLUXGYM_LOCKS": str(tmp_path / "locks"), "OMP_NUM_THREADS": "1"}

    def run(*verb: str) -> str:
        command = [sys.executable, "-m", "fluxgym", *verb]
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def find_ranks(folder: RunFolder) -> dict[int, int]:
    """The pid of each process that trains."""
    found = {}
    for member in find_family(folder):
        words = Path(f"/proc/{member.identity.pid}/environ").read_bytes().split(b"\0")
        found |= {int(word[5:]): member.identity.pid for word in words if word.startswith(b"RANK=")}
    return found


def test_two_gpus_are_one_training(fluxgym, outputs, tmp_path, wait_until):
    config = tmp_path / "two.toml"
    config.write_text(tomli_w.dumps(SETTINGS), encoding="utf-8")
    fluxgym("start", str(config), "--place", "0,1")
    folder = RunFolder(outputs / "two")
    wait_until(lambda: folder.training_log.exists() and max(steps_of(folder), default=0) >= 3, 180)
    assert read_record(folder).attempts[-1].places == ["GPU 0", "GPU 1"] and sorted(find_ranks(folder)) == [0, 1]

    assert "-m trainer launch --processes 2 " in folder.monitor_log.read_text()

    os.kill(find_ranks(folder)[1], signal.SIGSTOP)  # one hangs: the other waits for it, and both still save
    stopped = stop_run(folder, wait=60)
    assert (stopped.state, stopped.resumable.step) == ("stopped", stopped.step)
    assert read_record(folder).attempts[-1].exit_code == 143 and not find_family(folder)

    fluxgym("resume", "two")
    wait_until(lambda: max(steps_of(folder)) >= stopped.step + 3, 180)
    assert steps_of(folder) == [*range(1, max(steps_of(folder)) + 1)]
    os.kill(find_ranks(folder)[1], signal.SIGKILL)
    ended = wait_for_end(folder, 60)
    assert (ended.state, read_record(folder).verdict.kind) == ("failed", "killed")
    assert ended.message.startswith("Rank 1 of 2, on ") and "was killed by signal 9 (SIGKILL), at step" in ended.message
    assert " was killed by signal 9 (SIGKILL)" in ended.last_lines[-1]
    assert not find_family(folder) and read_status(folder).pid is None
