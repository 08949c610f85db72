"""What the primary button of a run that ended does, and the states that a person can choose from."""

import sys
from dataclasses import replace

import pytest

from fluxgym.log.history import History
from fluxgym.log.remedies import DOWNLOAD
from fluxgym.run.record import TRAINER, Verdict, read_record, write_record
from fluxgym.run.status import read_status
from fluxgym.view.way_on import ANEW, RESUME, find_start, find_way_on, list_choices

from .runs import failed, make_run, make_state, step_lines

SETTINGS = """[train]
epochs = 10
learning_rate = 2e-4
gradient_checkpointing = {}
[data]
batch_size = 4
"""


@pytest.fixture
def fail(tmp_path):
    """fail(kind, checkpointing): a run of our trainer that ended so, with one state."""

    def fail(kind, checkpointing="true", has_state=True):
        folder = make_run(tmp_path / f"{kind}-{checkpointing}", step_lines(1, 12, 100), failed(12, 100, kind, "words"))
        record = read_record(folder)
        record.command[:] = [sys.executable, *TRAINER, "config.toml"]
        write_record(folder, record)
        folder.config.write_text(SETTINGS.format(checkpointing))
        if has_state:
            make_state(folder, 10, 1)
        return folder

    return fail


def way_on(folder):
    return find_way_on(folder, read_status(folder))


def test_less_memory_with_the_states_where_they_fit(fail):
    way = way_on(fail("oom", "false"))
    assert (way.does, way.label, dict(way.changes)) == (
        RESUME,
        "Go on with less memory",
        {"train.gradient_checkpointing": True},
    )
    assert way.told == "It goes on with gradient checkpointing."


def test_less_memory_anew_where_they_do_not(fail):
    way = way_on(fail("oom"))
    assert (way.does, dict(way.changes)) == (ANEW, {"data.batch_size": 2})
    assert "begins anew as another run, with a batch of 2 instead of 4" in way.told


def test_without_any_state_less_memory_begins_this_run_again(fail):
    way = way_on(fail("oom", has_state=False))
    assert (way.does, dict(way.changes)) == (RESUME, {"data.batch_size": 2})


def test_half_the_learning_rate(fail):
    way = way_on(fail("nan"))
    assert (way.label, dict(way.changes)) == ("Resume with half the learning rate", {"train.learning_rate": 1e-4})
    assert way.told == "A learning rate of 1e-04 instead of 2e-04."


@pytest.mark.parametrize(("kind", "label"), [("killed", "Resume"), ("no_space", "Resume"), ("other", "Resume")])
def test_what_only_needs_to_go_on(fail, kind, label):
    way = way_on(fail(kind))
    assert (way.does, way.label, dict(way.changes), way.is_cure) == (RESUME, label, {}, True)


def test_a_run_of_another_command_keeps_its_settings(tmp_path):
    folder = make_run(tmp_path / "a", step_lines(1, 12, 100), failed(12, 100, "oom", "words"), command=["python"])
    make_state(folder, 10, 1)
    assert (way_on(folder).label, way_on(folder).is_cure) == ("Try again", False)


@pytest.mark.parametrize("kind", ["gated", "driver", "no_kernel", "missing_file", "bad_image", "wrong_setting", "damaged_file"])
def test_what_fails_again_until_something_is_set_right_is_no_cure(fail, kind):
    way = way_on(fail(kind))
    assert (way.does, way.label, way.is_cure) == (RESUME, "Try again", False)


def test_states_are_told_with_what_is_left_and_the_damaged_with_why(tmp_path):
    folder = make_run(tmp_path / "a", step_lines(1, 20, 100), failed(20, 100, "killed", "words"))
    make_state(folder, 10, 1)
    (make_state(folder, 20, 2) / "lora.safetensors").write_bytes(b"x")
    history = History(folder.training_log)
    history.update()
    damaged, whole = list_choices(folder)
    assert damaged.state.problem == "lora.safetensors: got 1 bytes, expected 10"
    assert whole.label == "Epoch 1, step 10"
    assert whole.tell_left(history) == "90 steps left, about 3 m"
    assert whole.tell_age(whole.modified + 120).endswith("saved 2 m ago")


def test_more_epochs_leave_more_to_do(tmp_path):
    folder = make_run(tmp_path / "a", "2026-11-24 10:15:00 Epoch 1/10\n" + step_lines(1, 20, 100))
    make_state(folder, 10, 1)
    history = History(folder.training_log)
    history.update()
    (choice,) = list_choices(folder)
    assert choice.tell_left(history, 20).startswith("190 steps left to epoch 20, about ")


def test_a_damaged_file_of_the_hub_is_downloaded_again_and_nobody_else_s(tmp_path, fail, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub" / "models--owner--flux"
    file = model / "snapshots" / ("a" * 40) / "vae" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("a" * 40)
    folder = fail("damaged_file")
    record = read_record(folder)
    said = "owner/flux cannot be used: vae/model.safetensors: got 4 bytes, expected 9: download it again, at step 12 of 100."
    last = replace(record.attempts[0], verdict=replace(record.attempts[0].verdict, message=said))
    write_record(folder, replace(record, attempts=[last]))
    assert way_on(folder).label == "Try again", "which model it was is not known"
    folder.config.write_text(f'[model]\nbase = "owner/flux"\n{SETTINGS.format("true")}')
    way = way_on(folder)
    assert (way.does, way.label, way.file) == (DOWNLOAD, "Download that file again", file)
    folder.config.write_text(f'[model]\nbase = "{tmp_path}"\n{SETTINGS.format("true")}')
    assert way_on(folder).label == "Try again"


def test_after_a_loss_that_was_no_number_the_state_before_comes_first(fail):
    folder = fail("nan")
    assert find_start(folder) is None, "the furthest"
    log = step_lines(1, 10, 100) + step_lines(11, 12, 100, loss=float("nan"))
    folder.training_log.write_text(log)
    make_state(folder, 12, 1, 2)
    before, late = list_choices(folder)
    assert (before.state.step, late.state.step) == (10, 12)
    assert late.tell_age(late.modified).endswith("saved 0 s ago, after the loss became no number")
    assert find_start(folder) == before.state
    way = way_on(folder)
    assert way.state == before.state
    assert way.told.endswith(" From step 10, before the loss became no number.")


def test_what_is_left_is_known_without_a_log(tmp_path):
    folder = make_run(tmp_path / "a", "", Verdict("completed", "All is done.", step=300, total_steps=300))
    make_state(folder, 300, 10)
    make_state(folder, 310, 10, 10)
    whole, between = sorted(list_choices(folder), key=lambda choice: choice.state.step)
    history = History(folder.training_log)
    assert whole.tell_left(history, 15) == "150 steps left to epoch 15"
    assert whole.tell_left(history, 10) == "nothing left"
    assert (whole.tell_left(history), between.tell_left(history, 15)) == ("how much is left is not known",) * 2
