"""A real `python -m trainer`: stopped, killed, started with signals ignored, under `accelerate launch`; the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from tests.trainer.deaf import deaf
from trainer.folder import RunFolder

ROOT = Path(__file__).parent.parent.parent


LONG = {"epochs": 20}  # long enough to be stopped in its middle
SAVE = {"every_epochs": 0, "state_every_epochs": 3}


@pytest.fixture
def slow(small):
    small["train"] |= LONG
    small["save"] |= SAVE
    return small


@pytest.fixture(scope="module")
def whole(small_settings, run_trainer, shared_cache, tmp_path_factory):
    """The same training, never disturbed."""
    folder = RunFolder(tmp_path_factory.mktemp("undisturbed") / "small")
    folder.path.mkdir()
    folder.shared_cache().symlink_to(shared_cache)
    settings = {**small_settings, "train": {**small_settings["train"], **LONG}, "save": {**small_settings["save"], **SAVE}}
    folder.config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    done = run_trainer(folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def begin(slow, make_run, start_trainer, wait_until, read_losses, tmp_path):
    """begin(step): (folder, process, log) of a training that has just done that step."""

    def start(step):
        folder, log = make_run(slow), tmp_path / "first.log"
        process = start_trainer(folder, log)
        wait_until(lambda: any(done >= step for done in read_losses(log.read_text())), 60)
        return folder, process, log

    return start


def test_stopped_in_the_middle_of_an_epoch_and_resumed(begin, whole, run_trainer, read_losses):
    folder, process, log = begin(9)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    lines = [line[20:] for line in log.read_text().splitlines()]
    assert "Stopping: SIGTERM received, finishing the step" in lines
    state = folder.last_state()
    assert lines[-1] == f"Training stopped at step {state.step} of 80: resume from {state.path}"
    done = run_trainer(folder, state.path)
    assert done.returncode == 0, done.stdout
    assert folder.lora.read_bytes() == whole.lora.read_bytes()
    resumed = read_losses(done.stdout)
    assert min(resumed) == state.step + 1 and max(resumed) == 80
    moments = [(run.epoch_state(18) / "optimizer.safetensors").read_bytes() for run in (folder, whole)]
    assert moments[0] == moments[1]


def test_killed_and_resumed_from_its_last_state(begin, whole, run_trainer):
    folder, process, _ = begin(17)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    state = folder.last_state()
    assert state is not None and 12 <= state.step < 80 and not folder.lora.exists()
    done = run_trainer(folder, state.path)
    assert done.returncode == 0, done.stdout
    assert folder.lora.read_bytes() == whole.lora.read_bytes()


def test_sigterm_is_honoured_though_the_parent_ignored_and_blocked_it(begin):
    with deaf(signal.SIGTERM, ignores=True, blocks=True):
        folder, process, _ = begin(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert folder.last_state() is not None


def test_stopped_while_loading(slow, make_run, start_trainer, wait_until, tmp_path):
    folder, log = make_run(slow), tmp_path / "log"
    process = start_trainer(folder, log)
    wait_until(lambda: "Loading" in log.read_text(), 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    last = log.read_text().splitlines()[-1]
    assert "Training stopped" in last and "Traceback" not in log.read_text()


def test_the_log_holds_our_lines_alone(small, make_run, run_trainer):
    """Nothing of the libraries' bars and warnings, with nothing cached."""
    small["train"]["epochs"] = 1
    lines = run_trainer(make_run(small, cached=False)).stdout.splitlines()
    begins = ("Loading ", "Caching ", "Training", "Learning: ", "Epoch ", "steps:", "Sampling: ", "Valid", "Saving ")
    assert [line for line in lines if not (line[:4].isdigit() and line[20:].startswith(begins))] == []
    assert sum("steps:" in line for line in lines) == 4


def test_bad_input_and_wrong_use(small, make_run, run_trainer, tmp_path):
    small["train"]["epoch"] = 3
    done = run_trainer(make_run(small))
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1
    assert "train.epoch: unknown setting; did you mean epochs?" in done.stdout
    wrong = subprocess.run([sys.executable, "-m", "trainer"], cwd=ROOT, capture_output=True, check=False)
    assert wrong.returncode == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_under_accelerate_launch(small, make_run, learn, launch_command, processes, tmp_path):
    """Two processes share each batch and make, up to the order of sums, the same LoRA as one."""
    from safetensors.torch import load_file

    alone = learn(small, "alone")
    folder = make_run(small, "launched")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        launch_command(processes, "-m", "trainer", str(folder.config)),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("in 2 processes" in done.stdout) == (processes == 2)
    assert done.stdout.count("Training finished") == 1 and done.stdout.count("| 12/12 [") == 1
    first, second = load_file(alone.lora), load_file(folder.lora)
    assert first.keys() == second.keys()
    for name in first:
        assert (first[name] - second[name]).norm() < 0.05 * first[name].norm() + 1e-6, name
