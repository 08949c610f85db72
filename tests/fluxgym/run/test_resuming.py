"""From where a run can go on, and what is left from there."""

import dataclasses

import pytest

from fluxgym.log.history import History
from fluxgym.run.record import begin_attempt, write_record
from fluxgym.run.resuming import Left, can_begin_anew, find_left, find_states, last_state
from fluxgym.run.verdict import Ending, judge
from tests.fluxgym.run.test_kohya import write_state as write_kohya_state
from tests.small_training import write_lora, write_state
from trainer.folder import RunFolder

KOHYA = ["accelerate", "launch", "flux_train_network.py"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small").mkdir()
    return RunFolder(tmp_path / "small")


def record_of(folder, command, **more):
    record = dataclasses.replace(begin_attempt(folder, None, command), any_command=True, **more)
    write_record(folder, record)
    return record


def test_of_our_own(folder):
    write_state(folder.path, 3)
    (write_state(folder.path, 4) / "weights.bin").write_bytes(b"")
    states = find_states(folder)
    assert [state.step for state in states] == [3, 4]
    assert last_state(states).step == 3
    assert last_state([]) is None


def test_a_new_beginning_overwrites_nothing_of_ours(folder):
    ours = begin_attempt(folder, None, [])
    assert can_begin_anew(folder, ours, [])
    write_lora(folder.lora)
    assert not can_begin_anew(folder, ours, [])
    assert can_begin_anew(folder, record_of(folder, ["x"]), []), "how a command of its own begins is its own matter"


def test_kohyas_where_the_log_says_that_it_saves(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "out").mkdir()
    state = write_kohya_state(tmp_path / "elsewhere" / "out" / "x-000004-state")
    record = record_of(folder, KOHYA, cwd=str(tmp_path / "elsewhere"))
    assert find_states(folder) == []
    folder.training_log.write_text("saving checkpoint: out/x-000004.safetensors\n")
    assert [found.path for found in find_states(folder)] == [state]
    assert not can_begin_anew(folder, record, find_states(folder))
    assert find_states(folder, record_of(folder, ["python", "other.py"], cwd=record.cwd)) == []


@pytest.mark.parametrize("name", ["{}.safetensors", "{}/x.safetensors"])
def test_a_name_that_no_file_can_have_hides_nothing(folder, name):
    record = record_of(folder, KOHYA)
    folder.training_log.write_text(f"saving checkpoint: {name.format('a' * 300)}\n")
    assert find_states(folder) == []
    verdict = judge(folder, record, Ending(0), History(folder.training_log, keep_curve=False))
    assert verdict.state == "completed"


def test_kohyas_in_the_runs_own_folder(folder):
    record_of(folder, KOHYA)
    write_kohya_state(folder.path / "x-state")
    assert [found.step for found in find_states(folder)] == [200]


def test_what_is_left(folder):
    write_state(folder.path, 30)
    [state] = find_states(folder)
    history = History(folder.training_log)
    assert find_left(state, history) is None
    folder.training_log.write_text(
        "".join(f"steps:  1%|#| {step}/100 [00:{step:02d}<00:01, 1.00s/it, avr_loss=0.9]\n" for step in range(1, 50))
    )
    history.update()
    left = find_left(state, history)
    assert left == Left(70, pytest.approx(70))
