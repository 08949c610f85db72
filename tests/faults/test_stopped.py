"""A stop is gentle, then firm, reaches all processes, and is told from a crash."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from fluxgym.run.care import write_care
from fluxgym.run.family import find_family
from fluxgym.run.identity import read_stat
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import NO_TURN, RUNNING, small_command, start_command, steps_in, text_of
from trainer.folder import RunFolder

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


def test_stop_before_the_supervisor_is_up(start_small):
    folder = start_small(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"


def test_stop_pressed_twice(running):
    folder, _, _ = running(*RUNNING)
    threads = [threading.Thread(target=stop_run, args=(folder,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait_for_end(folder, 20).state == "stopped"
    assert folder.monitor_log.read_text().count("SIGTERM to process group") == 1


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


def test_launcher_that_ignores_and_blocks_signals(outputs, wait_until):
    """Stop still works, also after a hangup of the launcher's session and its death."""
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    write_care(folder, NO_TURN)
    command = small_command(folder, *RUNNING)
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


def test_a_launcher_that_ends_before_its_training_does_not_cut_the_saving_short(outputs, wait_until):
    """As under `accelerate launch`: SIGTERM ends the launcher at once, the process that learns needs a second to save."""
    folder = RunFolder(outputs / "small")
    inner = small_command(folder, *RUNNING, "--saving", "1")
    start_command(folder, [sys.executable, "-c", f"import subprocess; subprocess.run({inner})"])
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    status = stop_run(folder, wait=20)
    assert status.state == "stopped"
    assert status.resumable.step == status.step
    assert read_record(folder).attempts[-1].exit_code == -signal.SIGTERM
    assert folder.training_log.read_text().count("Stopping: SIGTERM received") == 1


@pytest.mark.parametrize("grace", ["soon", "nan", "inf", "-1"])
def test_a_grace_that_is_no_number(running, monkeypatch, grace):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", grace)
    folder, _, _ = running(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"
    assert f"FLUXGYM_STOP_GRACE: got '{grace}', expected a number" in folder.monitor_log.read_text()


def test_workers_that_ignore_sigterm_end_with_their_training(running, monkeypatch):
    """As data loaders that were forked: the training answers and saves its state, they do not."""
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "1")
    folder, _, _ = running(*RUNNING, "--workers", "3")
    family = [member.identity for member in find_family(folder)]
    assert len(family) == 4
    status = stop_run(folder, wait=20)
    assert (status.state, status.resumable.step) == ("stopped", status.step)
    assert read_record(folder).attempts[-1].exit_code == 143
    assert not any(process.alive() for process in family)
    assert folder.monitor_log.read_text().count("which stayed: SIGKILL") == 3


def test_stop_during_saving_and_again(running, wait_until):
    """The second wish neither cuts the saving short nor begins another stop."""
    folder, _, _ = running(*RUNNING, "--saving", "1")
    stop_run(folder)
    wait_until(lambda: "Stopping: SIGTERM received" in text_of(folder.training_log))
    assert stop_run(folder).state == "stopping"
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable.step, status.resumable.problem) == ("stopped", status.step, "")
    assert folder.monitor_log.read_text().count("stop asked by a person") == 2
    assert folder.monitor_log.read_text().count("SIGTERM to process group") == 1


def test_a_training_that_is_suspended_still_stops_with_its_state(running, wait_until):
    folder, _, training = running(*RUNNING)
    training.signal(signal.SIGSTOP)
    wait_until(lambda: read_stat(training.pid).state == "T")
    status = stop_run(folder, wait=20)
    assert (status.state, status.resumable.step) == ("stopped", status.step)
    assert "is suspended: SIGCONT, so that it can end" in folder.monitor_log.read_text()


def test_a_training_that_is_suspended_after_it_was_asked_to_end(running):
    folder, _, training = running(*RUNNING, "--saving", "3")
    assert stop_run(folder).state == "stopping"
    training.signal(signal.SIGSTOP)
    status = wait_for_end(folder, 60)
    assert (status.state, "killed" in status.message) == ("stopped", False)
    assert status.resumable.step == status.step
