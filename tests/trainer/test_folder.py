"""The run folder: its paths, the names it accepts, and the states it tells apart."""

import json

import pytest

from trainer.folder import RunFolder, State, check_name, read_state


def write_state(path, step, epoch, position, size=3):
    path.mkdir(parents=True)
    (path / "lora.safetensors").write_bytes(b"abc")
    said = {"step": step, "epoch": epoch, "position": position, "files": {"lora.safetensors": size}}
    (path / "state.json").write_text(json.dumps(said))


@pytest.mark.parametrize("name", ["a", "my-lora", "Robot_2.1", "0" * 64])
def test_names_that_are_fine(name):
    assert check_name(name) == name


def test_names_that_are_not(hostile_name):
    with pytest.raises(ValueError, match=r"got the name .*, expected 1 to 64 letters") as caught:
        check_name(hostile_name)
    assert len(str(caught.value)) < 300


def test_paths(tmp_path):
    folder = RunFolder(tmp_path / "robot")
    names = [folder.lora, folder.epoch_lora(4), folder.step_lora(123), folder.epoch_state(4), folder.step_state(123)]
    assert [path.name for path in names] == [
        "robot.safetensors",
        "robot-000004.safetensors",
        "robot-step00000123.safetensors",
        "robot-4-state",
        "robot-step00000123-state",
    ]
    assert {path.parent for path in names} == {folder.path}
    assert folder.kohya_copy(folder.epoch_lora(4)) == folder.path / "kohya" / "robot-000004.safetensors"


def test_loras_in_order_the_final_one_last(tmp_path):
    folder = RunFolder(tmp_path)
    made = [folder.epoch_lora(2), folder.epoch_lora(10), folder.lora]
    for path in reversed(made):
        path.touch()
    (tmp_path / "other.safetensors").touch()
    assert folder.loras() == made


def test_loras_that_were_asked_for_stand_where_they_were_learned(tmp_path):
    """Whatever the files' times are: a state says how many steps an epoch has; 4 here."""
    folder = RunFolder(tmp_path / "robot")
    made = [
        *[folder.step_lora(3), folder.epoch_lora(1), folder.step_lora(7), folder.epoch_lora(2)],
        *[folder.step_lora(40), folder.epoch_lora(11), folder.lora],
    ]
    write_state(folder.step_state(3), 3, 0, 3)
    write_state(folder.step_state(7), 7, 1, 3)
    for path in reversed(made):
        path.touch()
    assert folder.loras() == made


def test_loras_that_were_asked_for_before_any_epoch_ended(tmp_path):
    folder = RunFolder(tmp_path / "robot")
    write_state(folder.step_state(30), 30, 0, 30)
    for path in (folder.epoch_lora(2), folder.epoch_lora(1), folder.step_lora(30)):
        path.touch()
    assert folder.loras() == [folder.step_lora(30), folder.epoch_lora(1), folder.epoch_lora(2)]


def test_states_by_step_and_the_last_whole_one(tmp_path):
    folder = RunFolder(tmp_path / "robot")
    write_state(folder.step_state(9), 9, 2, 1)
    write_state(folder.epoch_state(1), 4, 1, 0)
    write_state(folder.epoch_state(3), 12, 3, 0, size=4)
    (folder.path / "robot-4-state.new").mkdir()
    assert [(state.step, bool(state.problem)) for state in folder.states()] == [(4, False), (9, False), (12, True)]
    assert folder.last_state() == State(folder.step_state(9), 9, 2, 1)
    assert read_state(folder.epoch_state(3)).problem == "lora.safetensors: got 3 bytes, expected 4"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"step": "x"}', '{"step": 1, "epoch": 0, "position": 1}', "[" * 200_000])
def test_a_state_that_cannot_be_read_says_so(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    assert read_state(tmp_path).problem.startswith("state.json cannot be read: ")


def test_the_parts_of_the_log_by_number(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.log_parts() == {}
    folder.old_logs.mkdir()
    for name in (
        "training.0002.log",
        "training.0001.log.gz",
        "training.0002.log.gz",
        "training.0003.log.gz.new",
        "training.log",
    ):
        (folder.old_logs / name).touch()
    assert folder.log_parts() == {1: folder.old_logs / "training.0001.log.gz", 2: folder.log_part(2)}
