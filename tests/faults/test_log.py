"""training.log is deleted, cut or replaced while it is written: it goes on, and its end is judged by what is known."""

import os

from fluxgym.run.launch import resume_run, stop_run, wait_for_end
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, steps_in, text_of
from trainer.folder import RunFolder


def test_a_log_that_is_deleted(running, wait_until):
    folder, _, training = running(*RUNNING)
    folder.training_log.unlink()
    assert read_status(folder).state == "running"
    status = stop_run(folder, wait=20)
    assert (status.state, training.alive()) == ("stopped", False)
    assert folder.last_state().step == int(folder.last_state().path.name[10:18])
    resume_run(folder)
    wait_until(lambda: "Resuming: step" in text_of(folder.training_log))
    assert stop_run(folder, wait=20).resumable.step > status.resumable.step


def test_a_completed_run_whose_log_was_deleted_is_not_called_completed(running, wait_until, tmp_path):
    """Nobody can know that all steps were done: it says what is missing."""
    folder, _, _ = running("--hold", str(tmp_path / "go"))
    wait_until(lambda: steps_in(folder) == 5)
    folder.training_log.unlink()
    (tmp_path / "go").touch()
    status = wait_for_end(folder, 20)
    assert status.state == "failed"
    assert "the log" in status.message
    assert folder.lora.is_file()


def test_a_log_that_is_cut(running, wait_until):
    """As by `> training.log`: what is appended later is read, whatever the offset was."""
    folder, _, _ = running(*RUNNING)
    wait_until(lambda: steps_in(folder) > 20)
    os.truncate(folder.training_log, 0)
    wait_until(lambda: steps_in(folder) > 3)
    status = stop_run(folder, wait=20)
    assert (status.state, status.resumable.step) == ("stopped", status.step)
    assert status.step > 20


def test_a_log_that_is_replaced(running, wait_until):
    """As by an editor that saves: the training writes into the file that nobody sees any more, and goes on."""
    folder, _, training = running(*RUNNING)
    beside = folder.training_log.with_name("beside")
    beside.write_bytes(folder.training_log.read_bytes())
    beside.replace(folder.training_log)
    seen = steps_in(folder)
    assert read_status(folder).state == "running"
    assert training.alive()
    status = stop_run(folder, wait=20)
    assert (status.state, steps_in(folder)) == ("stopped", seen)
    assert status.resumable.step >= seen


def test_a_log_that_is_a_folder(outputs, start_small):
    """Nothing can be written into it: the start says so, and a start without it works."""
    folder = RunFolder(outputs / "small")
    folder.training_log.mkdir(parents=True)
    start_small()
    status = wait_for_end(folder, 20)
    assert (status.state, "could not be started" in status.message) == ("failed", True)
    folder.training_log.rmdir()
    resume_run(folder)
    assert wait_for_end(folder, 20).state == "completed"
