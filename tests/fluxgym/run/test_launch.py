"""Start, resume, stop: what is refused, and that nothing is lost or written then."""

import dataclasses
import errno
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from fluxgym.run import lock
from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.create import create_folder, create_run
from fluxgym.run.family import find_family
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import (
    PATIENCE,
    NameTaken,
    NothingToResume,
    RunError,
    RunIsActive,
    RunIsNotActive,
    resume_run,
    start_run,
    stop_run,
    wait_for_end,
)
from fluxgym.run.record import Verdict, begin_attempt, read_record, write_record
from fluxgym.run.status import read_status
from tests.fluxgym.run.test_create import names_in, settings
from tests.small_training import write_state
from trainer.config import load_config
from trainer.folder import RunFolder, State


def test_a_wish_to_stop_that_came_too_late_does_not_stop_the_next_attempt(outputs, start_small):
    create_folder("small").stop_now.touch()
    assert wait_for_end(start_small("--steps", "40", "--pause", "0.1"), 30).state == "completed"


def test_start_needs_settings(outputs):
    folder = RunFolder(outputs / "a")
    folder.path.mkdir()
    with pytest.raises(RunError, match=r"config\.toml is missing"):
        start_run(folder)
    assert names_in(folder.path) == []


def test_nobody_waits_for_ever_where_no_lock_can_be(outputs, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLUXGYM_LOCKS", str(tmp_path / "file" / "locks"))
    folder = create_run(settings())
    with pytest.raises(RunError, match=r"place: got Not a directory at .*; FLUXGYM_LOCKS names another"):
        start_run(folder)
    assert not folder.record.exists()


def test_a_run_to_its_end(start_small):
    folder = start_small("--steps", "7")
    status = wait_for_end(folder, 20)
    assert (status.state, status.step, status.total_steps) == ("completed", 7, 7)
    assert folder.training_log.read_text().startswith("=== Attempt 1, 2")
    record = read_record(folder)
    assert record.attempts[0].exit_code == 0
    assert record.supervisor is None
    with pytest.raises(NameTaken, match="has run already"):
        start_run(folder, ["x"])
    with pytest.raises(NothingToResume, match="completed"):
        resume_run(folder)
    with pytest.raises(RunIsNotActive, match="it is completed"):
        stop_run(folder)


def test_under_way_everything_else_is_refused(start_small, tmp_path, wait_until):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: lock.is_held(folder.lock))
    begun = time.monotonic()
    for wish in (
        lambda: start_run(folder, ["x"]),
        lambda: resume_run(folder),
        lambda: create_run(settings()),
        lambda: create_run(settings(), replace_old=True),
    ):
        with pytest.raises(RunIsActive, match="small is under way"):
            wish()
    assert time.monotonic() - begun < PATIENCE, "none of them waited for the lock"
    (tmp_path / "go").touch()
    assert wait_for_end(folder, 20).state == "completed"


def test_pressed_twice_at_the_same_moment(outputs, tmp_path):
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    command = [sys.executable, "tests/small_training.py", str(folder.path), "--hold", str(tmp_path / "go")]
    gate, told = threading.Barrier(6), []

    def press():
        gate.wait()
        try:
            start_run(folder, command)
            told.append("started")
        except RunIsActive:
            told.append("refused")

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["refused"] * 5 + ["started"]
    (tmp_path / "go").touch()
    assert wait_for_end(folder, 20).state == "completed"
    assert folder.training_log.read_text().count("=== Attempt") == 1


def test_stop_and_resume(start_small, wait_until):
    folder = start_small("--steps", "2000")
    wait_until(lambda: b"steps:" in folder.training_log.read_bytes() if folder.training_log.exists() else False)
    stopped = stop_run(folder, wait=20)
    assert (stopped.state, stopped.total_steps) == ("stopped", 2000)
    assert stopped.resumable.step == stopped.step
    assert read_record(folder).attempts[0].exit_code == 143
    first = folder.training_log.read_bytes()
    resume_run(folder)
    wait_until(lambda: b"Resuming: step" in folder.training_log.read_bytes())
    assert stop_run(folder, wait=20).state == "stopped"
    text = folder.training_log.read_bytes()
    assert text.startswith(first)
    assert (
        f"\n=== Attempt 2, 2{text.decode()[len(first) + 16 :][:18]}, resumed from {stopped.resumable.path.name} ===\n"
        in text.decode()
    )
    assert f"Resuming: step {stopped.step} of 2000".encode() in text
    assert [attempt.number for attempt in read_record(folder).attempts] == [1, 2]


def test_an_end_that_nobody_saw_is_settled_before_a_resume(start_small, wait_until, monkeypatch):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    folder = start_small("--steps", "2000", "--state-at", "2", "--child")
    wait_until(lambda: folder.training_log.exists() and " 5/2000" in folder.training_log.read_text())
    record = read_record(folder)
    training, child = [member.identity for member in find_family(folder)]
    for process in (record.supervisor, training):
        process.signal(signal.SIGKILL)
    wait_until(lambda: not record.supervisor.alive() and not training.alive())
    assert child.alive()
    resume_run(folder)
    first, second = read_record(folder).attempts
    assert (first.verdict.state, second.number) == ("failed", 2)
    assert not child.alive()
    stop_run(folder, wait=20)


def test_an_end_that_nobody_saw_is_settled_before_the_run_is_replaced(start_small, wait_until):
    folder = start_small("--steps", "2000")
    wait_until(lambda: folder.training_log.exists() and " 5/2000" in folder.training_log.read_text())
    record = read_record(folder)
    for process in (record.supervisor, record.attempts[-1].training):
        process.signal(signal.SIGKILL)
    wait_until(lambda: not record.supervisor.alive() and not record.attempts[-1].training.alive())
    create_run(settings(name=folder.name), replace_old=True)
    [archived] = folder.old_logs.iterdir()
    assert json.loads((archived / "run.json").read_text())["state"] == "failed"


def test_what_ended_before_anything_was_saved_begins_anew(start_small, wait_until):
    folder = start_small("--steps", "4", "--end-at", "2", "--code", "1")
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable, status.can_restart) == ("failed", None, True)
    cached = folder.cache / "latents"
    cached.mkdir(parents=True)
    with pytest.raises(NothingToResume):
        resume_run(folder, State(folder.step_state(2), 2, 0, 2))
    assert "begins at the beginning" in resume_run(folder).message
    assert wait_for_end(folder, 20).attempt == 2
    assert cached.is_dir()
    assert "--resume" not in read_record(folder).attempts[-1].command
    (write_state(folder.path, 2) / "weights.bin").write_bytes(b"")
    assert not read_status(folder).can_restart, "a damaged state is for a person to look at"


def test_resume_names_what_is_damaged(outputs):
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    with pytest.raises(NothingToResume, match="small has no whole state"):
        resume_run(folder)
    damaged = write_state(folder.path, 4)
    (damaged / "weights.bin").write_bytes(b"")
    with pytest.raises(NothingToResume, match=r"small-step00000004-state is damaged: weights\.bin: got 0 bytes, expected 8"):
        resume_run(folder)
    with pytest.raises(NothingToResume, match="small-step00000004-state is damaged"):
        resume_run(folder, folder.states()[0])
    assert not folder.record.exists()


def test_a_bad_record_is_kept_when_a_start_must_write(outputs):
    folder = create_run(settings())
    folder.record.write_text('{"version": 99}')
    start_run(folder, [sys.executable, "tests/small_training.py", str(folder.path)])
    assert wait_for_end(folder, 20).state == "completed"
    [kept] = folder.path.glob("run.json.bad-*")
    assert json.loads(kept.read_text()) == {"version": 99}


def test_a_bad_record_does_not_hide_a_living_training(start_small, tmp_path, wait_until):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: find_family(folder))
    read_record(folder).supervisor.signal(9)
    folder.record.write_text("")
    with pytest.raises(RunIsActive, match=r"run\.json cannot be read"):
        start_run(folder, ["x"])
    [member] = find_family(folder)
    assert member.identity.alive()


def test_a_command_that_does_not_exist(outputs):
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    start_run(folder, ["/does/not/exist"])
    status = wait_for_end(folder, 20)
    assert status.state == "failed"
    assert "could not be started" in status.message
    assert "No such file" in status.message


def test_list_of_runs_is_light():
    """What the terminal and the supervisor need of us loads nothing heavy."""
    heavy = {"pydantic", "torch", "psutil", "numpy", "streamlit"}
    script = f"import sys, fluxgym.run.create; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_runs_are_listed(start_small):
    folder = start_small()
    assert list_runs() == [folder]
    wait_for_end(folder, 20)


def test_more_epochs_than_before(outputs):
    folder = create_run(settings(train={"epochs": 4}))
    record = begin_attempt(folder, None, [])
    write_record(folder, record.to("completed", verdict=Verdict("completed", "all")))
    state = write_state(folder.path, 9)
    for changes in (None, {}, {"train.epochs": 4}, {"train.learning_rate": 1e-5}):
        with pytest.raises(NothingToResume, match=r"small is completed, .*; it can go on for more epochs than before"):
            resume_run(folder, None, changes)
    with pytest.raises(RunError, match="epochs"):
        resume_run(folder, None, {"train.epochs": 10**9})
    assert load_config(folder.config).train.epochs == 4
    assert read_record(folder).state == "completed"
    write_care(folder, Care(place="none"))
    resume_run(folder, None, {"train.epochs": 6, "train.learning_rate": 1e-5})
    changed = load_config(folder.config).train
    assert (changed.epochs, changed.learning_rate) == (6, 1e-5)
    assert read_record(folder).attempts[-1].resumed_from == state.name
    assert len(list(folder.old_logs.glob("config-*.toml"))) == 1


def test_a_start_that_cannot_be_written_changes_no_settings(outputs, monkeypatch):
    folder = create_run(settings(train={"epochs": 4}))
    record = begin_attempt(folder, None, [])
    write_record(folder, record.to("completed", verdict=Verdict("completed", "all")))
    write_state(folder.path, 9)
    before = folder.config.read_bytes()
    write_care(folder, Care(place="none"))
    with monkeypatch.context() as patched:
        patched.setattr("fluxgym.run.launch.write_record", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(OSError, match="full"):
            resume_run(folder, None, {"train.epochs": 6})
    assert folder.config.read_bytes() == before
    assert resume_run(folder, None, {"train.epochs": 6}).is_active, "it must still count as more epochs than before"
    wait_for_end(folder, 20)


def test_settings_of_another_command_are_its_own(outputs):
    folder = create_run(settings())
    record = dataclasses.replace(begin_attempt(folder, None, ["x"]), any_command=True)
    write_record(folder, record.to("failed", verdict=Verdict("failed", "why", "other")))
    with pytest.raises(RunError, match="small has a command of its own"):
        resume_run(folder, None, {"train.epochs": 9})
    assert load_config(folder.config) == settings()


def test_another_command_is_started_where_it_was_typed(outputs, tmp_path):
    folder = RunFolder(outputs / "any")
    folder.path.mkdir()
    (tmp_path / "there").mkdir()
    command = [sys.executable, "-c", "import os; print(os.getcwd())"]
    start_run(folder, command, care=Care(place=NONE), cwd=tmp_path / "there", any_command=True)
    status = wait_for_end(folder, 20)
    assert (status.state, status.is_ours) == ("completed", False)
    assert folder.training_log.read_text().splitlines()[-1] == str(tmp_path / "there")
    (tmp_path / "gone").mkdir()
    other = RunFolder(outputs / "other")
    other.path.mkdir()
    start_run(other, command, care=Care(place=NONE), cwd=tmp_path / "gone", any_command=True)
    wait_for_end(other, 20)
    resumed = read_record(other).to("failed", verdict=Verdict("failed", "why", "other"))
    write_record(other, resumed)
    (tmp_path / "gone").rmdir()
    assert resume_run(other).message == "The command is started again from its beginning."
    status = wait_for_end(other, 20)
    assert (status.state, "could not be started" in status.message) == ("failed", True)
