"""Who is killed, what is true afterwards: real process trees, SIGKILL and other rough handling, nothing lost or invented."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import tomllib

import pytest

from fluxgym.run import lock
from fluxgym.run.family import MARK, find_family, mark
from fluxgym.run.identity import Identity
from fluxgym.run.launch import RunIsActive, create_run, look_after, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.status import read_status
from trainer.config import parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

RUNNING = ("--steps", "20000")
# a launcher as rough as they come: signals ignored and blocked, in a process group that is then killed
ROUGH_LAUNCHER = """
import os, signal, sys
from fluxgym.run.launch import start_run
from trainer.config import parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO
from pathlib import Path
numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD]
for number in numbers:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
start_run(RunFolder(Path(sys.argv[1])), sys.argv[2:])
print("started", flush=True)
signal.pause()
"""


@pytest.fixture
def killed(wait_until):
    """killed(identity): SIGKILL, and its end is waited for."""

    def kill(process: Identity) -> None:
        assert process.signal(signal.SIGKILL)
        wait_until(lambda: not process.alive())

    return kill


@pytest.fixture
def running(start_small, wait_until):
    """running(*options): a run that makes steps, and the record that names its processes."""

    def start(*options: str) -> tuple[RunFolder, Identity, Identity]:
        folder = start_small(*options)
        wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
        record = read_record(folder)
        return folder, record.supervisor, record.attempts[-1].training

    return start


def is_guarded(folder: RunFolder) -> bool:
    return read_record(folder).supervisor.alive()


def steps_in(folder: RunFolder) -> int:
    return folder.training_log.read_text().count("steps:")


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


def test_two_readers_adopt_at_once(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    look = f"from pathlib import Path; from fluxgym.run.launch import *; look_after(RunFolder(Path({str(folder.path)!r})))"
    readers = [subprocess.Popen([sys.executable, "-c", look]) for _ in range(4)]
    assert [reader.wait() for reader in readers] == [0] * 4
    wait_until(lambda: is_guarded(folder))
    assert folder.monitor_log.read_text().count("adopts the training") == 1
    assert lock.is_held(folder.lock)
    assert training.alive()
    assert stop_run(folder, wait=20).state == "stopped"


def test_launcher_that_ignores_and_blocks_signals(outputs, wait_until):
    """Stop still works, also after a hangup of the launcher's session and its death."""
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    command = [sys.executable, "tests/small_training.py", str(folder.path), *RUNNING]
    launcher = subprocess.Popen(
        [sys.executable, "-c", ROUGH_LAUNCHER, folder.path, *command], stdout=subprocess.PIPE, start_new_session=True
    )
    assert launcher.stdout.readline() == b"started\n"
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        os.killpg(launcher.pid, number)
    assert launcher.wait() == -signal.SIGKILL
    wait_until(lambda: read_status(folder).pid and steps_in(folder) > 2)
    status = stop_run(folder, wait=20)
    assert (status.state, status.message[:14]) == ("stopped", "Stopped by you")
    assert status.resumable.step == status.step
    assert read_record(folder).attempts[-1].exit_code == 143


def test_stop_before_the_supervisor_is_up(start_small):
    folder = start_small(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"


def test_hangup_and_sigterm_to_the_supervisor(running, wait_until):
    folder, supervisor, training = running(*RUNNING)
    supervisor.signal(signal.SIGHUP)
    before = steps_in(folder)
    wait_until(lambda: steps_in(folder) > before + 5)
    assert supervisor.alive()
    supervisor.signal(signal.SIGTERM)
    status = wait_for_end(folder, 20)
    assert (status.state, training.alive()) == ("stopped", False)
    assert status.message.startswith("Stopped by the system at step")


def test_stop_pressed_twice(running):
    folder, _, _ = running(*RUNNING)
    threads = [threading.Thread(target=stop_run, args=(folder,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait_for_end(folder, 20).state == "stopped"
    assert folder.monitor_log.read_text().count("SIGTERM to process group") == 1


def test_deaf_training_with_a_child_that_left(running, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    folder, _, _ = running(*RUNNING, "--stubborn", "--child")
    family = [member.identity for member in find_family(folder)]
    assert len(family) == 2
    status = stop_run(folder, wait=20)
    assert status.state == "stopped"
    assert "did not answer in time and was killed" in status.message
    wait_until(lambda: not any(process.alive() for process in family))
    assert "SIGKILL to 2 processes" in folder.monitor_log.read_text()


def test_what_a_killed_training_leaves_behind_is_cleared(running, killed, monkeypatch):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    folder, _, training = running(*RUNNING, "--child")
    [_, child] = [member.identity for member in find_family(folder)]
    killed(training)
    assert wait_for_end(folder, 20).state == "failed"
    assert not child.alive()
    assert f"process {child.pid}, which stayed: SIGKILL" in folder.monitor_log.read_text()


def test_a_launcher_that_ends_before_its_training_does_not_cut_the_saving_short(outputs, wait_until):
    """As under `accelerate launch`: SIGTERM ends the launcher at once, the process that learns needs a second to save."""
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    inner = [sys.executable, "tests/small_training.py", str(folder.path), *RUNNING, "--saving", "1"]
    start_run(folder, [sys.executable, "-c", f"import subprocess; subprocess.run({inner})"])
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    status = stop_run(folder, wait=20)
    assert status.state == "stopped"
    assert status.resumable.step == status.step
    assert read_record(folder).attempts[-1].exit_code == -signal.SIGTERM
    assert folder.training_log.read_text().count("Stopping: SIGTERM received") == 1


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
    write_record(folder, begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path), *RUNNING]))
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


def test_a_verdict_waits_until_it_can_be_written(running, wait_until):
    """As on a full disk: nothing is lost, and nobody else is sent meanwhile."""
    folder, supervisor, _ = running(*RUNNING)
    in_the_way = folder.path / "run.json.new"
    in_the_way.mkdir()
    stop_run(folder)
    wait_until(lambda: folder.monitor_log.read_text().count("run.json cannot be written") >= 3)
    assert supervisor.alive()
    status = look_after(folder)
    assert not status.needs_supervisor
    assert "its verdict is yet to be written" in status.message
    in_the_way.rmdir()
    status = wait_for_end(folder, 20)
    assert (status.state, status.message[:14]) == ("stopped", "Stopped by you")
    assert read_record(folder).attempts[-1].exit_code == 143


@pytest.mark.parametrize("grace", ["soon", "", "nan", "inf", "-1"])
def test_a_grace_that_is_no_number(running, monkeypatch, grace):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", grace)
    folder, _, _ = running(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"
    assert f"got '{grace}', expected a number of seconds" in folder.monitor_log.read_text()


def test_a_stranger_with_the_trainings_pid_survives(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    killed(training)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        faked = dataclasses.replace(Identity.of(stranger.pid), start_ticks=training.start_ticks)
        write_record(folder, read_record(folder).to("running", training=faked))
        assert read_status(folder).state == "failed"
        look_after(folder)
        wait_until(lambda: read_record(folder).state == "failed")
        assert stranger.poll() is None
        stranger.kill()


def test_a_stranger_with_the_supervisors_pid_survives_a_stop(running, killed, wait_until):
    folder, supervisor, _ = running(*RUNNING)
    killed(supervisor)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        faked = dataclasses.replace(Identity.of(stranger.pid), start_ticks=supervisor.start_ticks)
        write_record(folder, dataclasses.replace(read_record(folder), supervisor=faked))
        assert stop_run(folder, wait=20).state == "stopped"
        assert stranger.poll() is None
        stranger.kill()


def test_another_boot(running, killed, wait_until):
    folder, supervisor, _ = running(*RUNNING)
    stop_run(folder, wait=20)
    said = json.loads(folder.record.read_text())
    said |= {"state": "running", "supervisor": dataclasses.asdict(dataclasses.replace(supervisor, boot_id="before"))}
    said["attempts"][-1] |= {"training": said["supervisor"], "verdict": None, "stop": None}
    folder.record.write_text(json.dumps(said))
    status = look_after(folder)
    assert status.state == "lost"
    assert status.message == f"The machine restarted at step {status.step:,} of 20,000."
    assert status.resumable.step == status.step
    wait_until(lambda: read_record(folder).state == "lost")
    resume_run(folder)
    assert stop_run(folder, wait=20).state == "stopped"


def test_the_mark_of_a_launcher_is_not_passed_on(start_small, monkeypatch, tmp_path):
    """A run that is started from inside another run's training does not become part of it."""
    outer = RunFolder(tmp_path / "outer")
    monkeypatch.setenv(MARK, mark(outer))
    folder = start_small(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"
    assert {member.identity.pid for member in find_family(outer)} <= {os.getpid()}


def test_the_real_trainer_through_all_of_it(outputs, killed, wait_until):
    """flux-mini: supervisor killed while it learns, stopped, training killed after a resume, resumed again, completed."""
    values = tomllib.loads(DEMO.read_text())
    values |= {"name": "real", "sample": {}, "train": values["train"] | {"epochs": 1}, "save": {"state_every_epochs": 1}}
    folder = create_run(parse_config(values))

    def makes_steps(attempt: int) -> bool:
        text = folder.training_log.read_text() if folder.training_log.exists() else ""
        return "steps:" in text.partition(f"=== Attempt {attempt},")[2]

    start_run(folder)
    wait_until(lambda: makes_steps(1), 120)
    killed(read_record(folder).supervisor)
    stopped = stop_run(folder, wait=60)
    assert (stopped.state, stopped.total_steps) == ("stopped", 30)
    assert stopped.resumable.step == stopped.step
    resume_run(folder)
    wait_until(lambda: makes_steps(2), 120)
    killed(read_record(folder).attempts[-1].training)
    failed = wait_for_end(folder, 20)
    assert (failed.state, failed.failure.kind) == ("failed", "killed")
    resume_run(folder)
    ended = wait_for_end(folder, 240)
    assert (ended.state, ended.step, ended.total_steps, ended.attempt) == ("completed", 30, 30, 3)
