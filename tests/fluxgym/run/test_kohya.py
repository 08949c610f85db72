"""States as accelerate saves them for kohya's sd-scripts: which are whole, and which commands understand them."""

import json
import zipfile

import pytest

from fluxgym.run.kohya import find_states, is_kohya, read_state
from tests.small_training import write_lora


def write_state(path, step=200, epoch=4):
    path.mkdir()
    for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
        with zipfile.ZipFile(path / name, "w") as archive:
            archive.writestr("archive/data.pkl", b"x" * 100)
    write_lora(path / "model.safetensors", ("lora_unet_single_blocks_0.lora_down.weight",))
    (path / "train_state.json").write_text(json.dumps({"current_epoch": epoch, "current_step": step}))
    return path


@pytest.mark.parametrize(
    ("command", "is_theirs"),
    [
        ("accelerate launch --num_cpu_threads_per_process 1 sd-scripts/flux_train_network.py --config x.toml", True),
        ("python /a/b/sdxl_train_network.py", True),
        ("python train_network.py", True),
        ("python train_db.py", True),
        ("python fine_tune.py", True),
        ("python my_train_networks.py", False),
        ("python run.py config.yaml", False),
        ("bash train.sh", False),
    ],
)
def test_whose_command(command, is_theirs):
    assert is_kohya(command.split()) == is_theirs


def test_a_script_inside_a_shells_line_takes_no_more_options():
    assert not is_kohya(["bash", "-c", "accelerate launch sd-scripts/flux_train_network.py"])
    assert not is_kohya(["env", "accelerate launch flux_train_network.py"])


def test_states_in_order(tmp_path):
    whole = write_state(tmp_path / "x-000004-state")
    last = write_state(tmp_path / "x-step00000300-state", 300, 6)
    (tmp_path / "cache-state").write_text("no folder")
    found = find_states([tmp_path, tmp_path])
    assert [(state.path, state.step, state.epoch, state.problem) for state in found] == [
        (whole, 200, 4, ""),
        (last, 300, 6, ""),
    ]
    assert [state.position == 0 for state in found] == [True, False]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("train_state.json", None, "train_state.json cannot be read"),
        ("train_state.json", b"{}", "train_state.json cannot be read"),
        ("optimizer.bin", None, "optimizer.bin is not there"),
        ("optimizer.bin", b"PK half", "optimizer.bin is not whole"),
        ("scheduler.bin", b"", "scheduler.bin is not whole"),
        ("random_states_0.pkl", None, "random_states_0.pkl is not there"),
        ("model.safetensors", None, "model.safetensors or pytorch_model.bin is not there"),
        ("model.safetensors", b"half", "model.safetensors is damaged: the header"),
    ],
)
def test_what_is_missing_is_named(tmp_path, name, change, problem):
    path = write_state(tmp_path / "x-000004-state")
    (path / name).unlink()
    if change is not None:
        (path / name).write_bytes(change)
    assert read_state(path).problem.startswith(problem)


def test_a_state_cut_in_the_middle_of_its_writing(tmp_path):
    path = write_state(tmp_path / "x-000004-state")
    whole = (path / "optimizer.bin").read_bytes()
    (path / "optimizer.bin").write_bytes(whole[: len(whole) // 2])
    assert read_state(path).problem == "optimizer.bin is not whole"


def test_older_weights(tmp_path):
    path = write_state(tmp_path / "x-000004-state")
    (path / "optimizer.bin").rename(path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    assert read_state(path).problem == "optimizer.bin is not there"
    (path / "optimizer.bin").write_bytes((path / "pytorch_model.bin").read_bytes())
    assert read_state(path).problem == ""
