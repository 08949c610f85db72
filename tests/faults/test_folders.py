"""The run's folder, or what lies in it, is taken away while it runs."""

import shutil
import signal
import subprocess
import sys

import pytest

from fluxgym.run import lock
from fluxgym.run.launch import RunIsActive, RunIsNotActive, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, small_command, steps_in
from trainer.folder import RunFolder


def test_a_run_whose_folder_was_deleted_leaves_the_next_one_alone(running, start_small, wait_until, tmp_path):
    """Its name is taken while its training lives; its training is ended; the next run of that name meets nobody."""
    folder, supervisor, training = running(*RUNNING, "--saving", "1")
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    status = read_status(folder)
    assert (status.state, status.pid, status.is_active) == (None, training.pid, True)
    with pytest.raises(RunIsActive, match=f"process {training.pid}"):
        start_run(folder, ["x"])
    wait_until(lambda: not training.alive() and not supervisor.alive())
    assert not {folder.record, folder.monitor_log} & set(folder.path.iterdir())
    start_small("--hold", str(tmp_path / "go"))
    (tmp_path / "go").touch()
    assert wait_for_end(folder, 20).state == "completed"


def test_a_lock_that_is_deleted_is_made_anew(running, wait_until):
    folder, _, training = running(*RUNNING)
    folder.lock.unlink()
    wait_until(lambda: lock.is_held(folder.lock))
    assert training.alive()
    assert stop_run(folder, wait=20).message.startswith("Stopped by you")
    assert not lock.is_held(folder.lock)


def test_another_supervisor_of_a_deleted_run_harms_nobody(running, killed, monkeypatch, wait_until):
    """Both runs live at once, as when somebody started the second one by hand: each supervisor keeps to its own."""
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    folder, old, training = running(*RUNNING, "--stubborn", "--child")
    old.signal(signal.SIGSTOP)  # so that it is late
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    write_record(folder, begin_attempt(folder, None, small_command(folder, *RUNNING)))
    new = subprocess.Popen([sys.executable, "-m", "fluxgym.run", folder.path])
    wait_until(lambda: read_status(folder).pid and steps_in(folder))
    killed(training)
    old.signal(signal.SIGCONT)
    wait_until(lambda: not old.alive())
    assert read_record(folder).supervisor.pid == new.pid
    assert read_record(folder).attempts[-1].training.alive()
    assert str(old.pid) not in folder.monitor_log.read_text()
    assert stop_run(folder, wait=20).state == "stopped"
    assert new.wait(20) == 0


def test_a_copy_of_a_run_under_way_has_no_hand_on_it(running):
    """Its run.json names the supervisor and the training of the other."""
    folder, supervisor, training = running(*RUNNING)
    copy = RunFolder(folder.path.with_name("copy"))
    shutil.copytree(folder.path, copy.path)
    status = read_status(copy)
    assert (status.state, status.is_active) == ("lost", False)
    assert (
        status.message == "This folder is a copy of small, made while that was under way: what trains is there, and not here."
    )
    with pytest.raises(RunIsNotActive):
        stop_run(copy)
    copy.record.write_text(copy.record.read_text().replace(f'"{folder.path}"', f'"{copy.path}"'))  # what it trains into
    assert resume_run(copy).is_active
    assert read_status(folder).state == "running" and supervisor.alive() and training.alive()
    assert stop_run(copy, wait=20).state == "stopped"
    assert read_record(copy).name == "copy" and read_record(copy).attempts[0].verdict.state == "lost"
    assert training.alive()
