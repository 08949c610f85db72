"""Who is killed, what is true afterwards: supervisor, training, both, in each phase; nothing lost or invented."""

import pytest

from fluxgym.run.family import find_family
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after, resume_run, stop_run, wait_for_end
from fluxgym.run.record import read_record, write_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, is_guarded, text_of
from tests.small_training import PHASES
from trainer.folder import RunFolder


def test_supervisor_killed_training_goes_on_and_completes(running, killed, wait_until, tmp_path):
    folder, supervisor, training = running("--hold", str(tmp_path / "go"))
    killed(supervisor)
    status = read_status(folder)
    assert (status.state, status.pid, status.needs_supervisor) == ("running", training.pid, True)
    look_after(folder)
    wait_until(lambda: is_guarded(folder))
    assert read_record(folder).attempts[-1].training == training
    assert "adopts the training" in folder.monitor_log.read_text()
    (tmp_path / "go").touch()
    status = wait_for_end(folder, 20)
    assert status.state == "completed"
    assert "Nobody saw its exit code" in status.message
    assert folder.training_log.read_text().count("=== Attempt") == 1


def test_supervisor_killed_adopted_training_fails(running, killed, wait_until, tmp_path):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    look_after(folder)
    wait_until(lambda: is_guarded(folder))
    killed(training)
    status = wait_for_end(folder, 20)
    assert status.state == "failed"
    assert "most likely killed. Nobody saw its exit code" in status.message


def test_the_training_ended_while_nobody_watched(running, killed, wait_until, tmp_path):
    folder, supervisor, training = running("--hold", str(tmp_path / "go"))
    killed(supervisor)
    (tmp_path / "go").touch()
    wait_until(lambda: not training.alive())
    assert read_status(folder).state == "completed"  # the truth, before anybody wrote it down
    assert read_record(folder).state == "running"
    assert look_after(folder).state == "completed"
    wait_until(lambda: read_record(folder).state == "completed")
    assert read_status(folder).needs_supervisor is False


def test_training_killed(running, killed, wait_until):
    folder, _, training = running(*RUNNING)
    killed(training)
    wait_until(lambda: read_status(folder).state == "failed", seconds=5)
    status = read_status(folder)
    assert status.failure.kind == "killed"
    assert "signal 9 (SIGKILL) at step" in status.message
    assert "steps:" in status.last_lines[-1]
    assert read_record(folder).attempts[-1].exit_code == -9


def test_both_killed(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    killed(training)
    assert read_status(folder).state == "failed"
    look_after(folder)
    wait_until(lambda: read_record(folder).state == "failed")
    assert read_record(folder).attempts[-1].exit_code is None


def test_killed_before_the_training_was_written_down(running, killed, wait_until):
    """The supervisor died in the instant between starting the training and writing its identity."""
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    write_record(folder, read_record(folder).to("starting", training=None))
    assert read_status(folder).pid == training.pid
    look_after(folder)
    wait_until(lambda: read_record(folder).state == "running")
    assert read_record(folder).attempts[-1].training == training
    assert folder.training_log.read_text().count("=== Attempt") == 1


def test_an_orphan_can_be_stopped_and_resumed(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    status = stop_run(folder, wait=20)
    assert (status.state, training.alive()) == ("stopped", False)
    assert status.resumable.step == status.step
    resume_run(folder)
    wait_until(lambda: "Resuming: step" in folder.training_log.read_text())
    assert stop_run(folder, wait=20).state == "stopped"


def test_what_a_killed_training_leaves_behind_is_cleared(running, killed, monkeypatch):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    folder, _, training = running(*RUNNING, "--child")
    [_, child] = [member.identity for member in find_family(folder)]
    killed(training)
    assert wait_for_end(folder, 20).state == "failed"
    assert not child.alive()
    assert f"process {child.pid}, which stayed: SIGKILL" in folder.monitor_log.read_text()


@pytest.fixture
def held_in(start_small, wait_until, tmp_path):
    """held_in(phase): a run that stays in a phase until <tmp_path>/go exists; it saved a state at step 3."""

    def hold(phase: str) -> tuple[RunFolder, Identity, Identity]:
        folder = start_small("--state-at", "3", "--in", phase, "--hold", str(tmp_path / "go"))
        last_line = " 5/5 [" if phase == "training" else PHASES[phase]
        wait_until(lambda: read_status(folder).pid and last_line in text_of(folder.training_log))
        record = read_record(folder)
        return folder, record.supervisor, record.attempts[-1].training

    return hold


@pytest.mark.parametrize("phase", PHASES)
def test_training_killed_in_each_phase(held_in, killed, tmp_path, phase):
    folder, _, training = held_in(phase)
    killed(training)
    status = wait_for_end(folder, 20)
    is_early = phase in ("loading", "caching")
    assert (status.state, status.failure.kind) == ("failed", "killed")
    assert status.message.endswith("before the first step." if is_early else "at step 5 of 5.")
    assert (status.resumable and status.resumable.step) == (None if is_early else 3)
    (tmp_path / "go").touch()
    resume_run(folder)
    status = wait_for_end(folder, 20)
    assert (status.state, status.attempt, status.step) == ("completed", 2, 5)
    assert folder.training_log.read_text().count(PHASES[phase]) == 2


@pytest.mark.parametrize("phase", PHASES)
def test_supervisor_killed_in_each_phase(held_in, killed, wait_until, tmp_path, phase):
    folder, supervisor, training = held_in(phase)
    killed(supervisor)
    assert (read_status(folder).state, read_status(folder).pid) == ("running", training.pid)
    look_after(folder)
    wait_until(lambda: is_guarded(folder))
    (tmp_path / "go").touch()
    status = wait_for_end(folder, 20)
    assert (status.state, status.attempt) == ("completed", 1)


@pytest.mark.parametrize("phase", PHASES)
def test_supervisor_and_training_killed_in_each_phase(held_in, killed, tmp_path, phase):
    folder, supervisor, training = held_in(phase)
    killed(supervisor)
    killed(training)
    assert "most likely killed" in read_status(folder).message
    status = wait_for_end(folder, 20)
    assert status.state == "failed"
    (tmp_path / "go").touch()
    resume_run(folder)
    assert wait_for_end(folder, 20).state == "completed"
