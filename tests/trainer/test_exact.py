"""The same numbers whatever happens: a batch in one piece or in several, in one process or in two, in one go or killed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.gradients import find_gradients, open_training
from trainer.config import parse_config
from trainer.interrupt import Stop
from trainer.loop import find_pieces, train

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def assert_equal(one, other):
    assert one.keys() == other.keys() and len(one) > 90
    for name, gradient in one.items():
        assert gradient.abs().max() > 0, name
        assert torch.allclose(gradient, other[name], rtol=1e-4, atol=1e-5 * gradient.abs().max().item()), name


def test_rows_of_a_batch_are_dealt_out_once():
    for images, processes, pieces in [(4, 1, 1), (4, 1, 4), (4, 2, 2), (6, 2, 2), (3, 1, 2), (8, 2, 64)]:
        dealt = [find_pieces(images, process, processes, pieces) for process in range(processes)]
        rows = [row for own in dealt for piece in own for row in range(images)[piece]]
        assert sorted(rows) == list(range(images)) and all(len(own) <= pieces for own in dealt)
        assert all(len(range(images)[piece]) > 0 for own in dealt for piece in own)


@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_a_batch_in_pieces_has_the_gradients_of_the_whole(small, make_run, pieces):
    whole = find_gradients(open_training(make_run(small).config))
    small["train"]["accumulation"] = pieces
    assert_equal(whole, find_gradients(open_training(make_run(small, "pieces").config)))


def test_two_processes_have_the_gradients_of_one(small, make_run, launch_command, tmp_path):
    whole = find_gradients(open_training(make_run(small).config))
    small["train"]["accumulation"] = 2
    config, file = make_run(small, "two").config, tmp_path / "gradients.safetensors"
    command = launch_command(2, "-m", "tests.trainer.gradients", str(config), str(file))
    environment = {**ENVIRONMENT, "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_equal(whole, load_file(file))


@pytest.fixture
def settings(small):
    """Three epochs of four steps, each of two pieces; a state at the end of each epoch."""
    small["train"]["accumulation"] = 2
    small["data"] |= {"validation_images": 0, "batch_size": 4, "regularisation_images": 1}
    small["sample"]["prompts"] = []
    return small


@pytest.fixture
def kill(make_run):
    """kill(folder, state, call): a real training that dies at the callth loss."""

    def run(folder, state, call):
        command = [sys.executable, "-m", "tests.trainer.killed", str(folder.config), str(state or "-"), str(call)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    return run


def outcome(folder):
    """All that a training leaves to be compared: the LoRA, the last epoch's losses, the moments."""
    state = folder.epoch_state(3)
    losses = json.loads((state / "state.json").read_text())["losses"]
    return folder.lora.read_bytes(), losses, (state / "optimizer.safetensors").read_bytes()


@pytest.fixture
def expected(settings, learn):
    """What comes of the training in one piece; its folder is empty again."""
    torch.set_num_threads(1)  # as the killed ones: sums in one order
    whole = learn(settings)
    found = outcome(whole)
    for path in [*whole.loras(), *(state.path for state in whole.states())]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    yield whole, found
    torch.set_num_threads(2)


PIECES = 2
AT = [4 * PIECES + PIECES * step + 1 for step in range(4)]  # the first loss of each step of the second epoch


@pytest.mark.parametrize("call", [*AT, AT[1] + 1, AT[3] + 1])
def test_killed_at_any_step_it_comes_to_the_same(settings, expected, kill, call):
    """At each step of an epoch, and in the middle of an accumulation."""
    folder, wanted = expected
    kill(folder, None, call)
    state = folder.last_state()
    assert state.step == 4 and not folder.lora.exists()
    assert train(parse_config(settings), folder, state.path, Stop())
    assert outcome(folder) == wanted


def test_killed_twice_in_a_row(settings, expected, kill):
    folder, wanted = expected
    kill(folder, None, AT[2])
    kill(folder, folder.last_state().path, 4 * PIECES + 2)  # four steps further, in the middle of one
    state = folder.last_state()
    assert state.step == 8
    assert train(parse_config(settings), folder, state.path, Stop())
    assert outcome(folder) == wanted
