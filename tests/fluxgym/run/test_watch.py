"""Watching a training: what goes wrong with the evidence ends nothing. What is killed: tests/faults."""

import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

from fluxgym.run import lock
from fluxgym.run.care import NONE, RESUME, Care
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import Identity
from fluxgym.run.launch import start_run, stop_run, wait_for_end
from fluxgym.run.monitor import Monitor
from fluxgym.run.places import CPU, Holding, locks_folder
from fluxgym.run.record import MONITOR, PERSON, SYSTEM, begin_attempt, read_record
from fluxgym.run.status import read_status
from fluxgym.run.watch import Watch
from trainer.folder import RunFolder


def test_evidence_that_cannot_be_had_ends_nothing(start_small, wait_until):
    folder = start_small("--steps", "20")
    wait_until(folder.training_log.exists)
    folder.training_log.unlink()
    folder.training_log.mkdir()  # no log any more, and nothing that could be read as one
    assert wait_for_end(folder, 20).state == "failed"


@pytest.fixture
def start_any(outputs):
    """start_any(command): a run of any command, which waits for no turn."""

    def start(command: str) -> RunFolder:
        folder = RunFolder(outputs / "any")
        folder.path.mkdir()
        start_run(folder, ["bash", "-c", command], care=Care(place=NONE), any_command=True)
        return folder

    return start


def test_a_training_that_left_the_group_of_its_launcher_is_asked_to_end_too(start_any, wait_until):
    saves = "trap 'echo saved; exit' TERM; echo ready; while :; do sleep 0.1; done"
    folder = start_any(f"setsid bash -c {shlex.quote(saves)} & wait")
    wait_until(lambda: folder.training_log.exists() and "ready\n" in folder.training_log.read_text())
    assert stop_run(folder, wait=20).state == "stopped"
    assert folder.training_log.read_text().endswith("saved\n")


def test_what_a_command_left_running_is_told(start_any):
    folder = start_any("sleep 60 & echo started")
    assert "It left 1 running process behind, which FluxGym ended." in wait_for_end(folder, 20).message


def test_a_person_who_stops_what_the_monitor_stops_already_has_the_last_word(start_small, wait_until, monkeypatch):
    for name, value in {"STALL_FACTOR": "0.02", "STOP_GRACE": "3", "RESUME_PAUSE": "0.1"}.items():
        monkeypatch.setenv(f"FLUXGYM_{name}", value)
    deaf = ("--stubborn", "--steps", "40", "--state-at", "20", "--hang-at", "30", "--hang", "fifo")
    folder = start_small(*deaf, care=Care(place=NONE, when_stalled=RESUME))
    wait_until(lambda: read_record(folder).attempts[-1].stop == MONITOR, 30)
    status = stop_run(folder, wait=20)
    assert (status.state, status.message[:14], status.attempt) == ("stopped", "Stopped by you", 1)
    assert read_record(folder).attempts[-1].stop == PERSON


def test_a_person_who_stops_what_the_system_stops_already_has_the_last_word(start_small, wait_until, monkeypatch):
    """What ends for its cluster's time limit would go on in the next job."""
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "3")
    folder = start_small("--stubborn", "--steps", "5000", "--pause", "0.05")
    wait_until(lambda: folder.training_log.exists() and " 2/5000" in folder.training_log.read_text())
    read_record(folder).supervisor.signal(signal.SIGTERM)
    wait_until(lambda: read_record(folder).attempts[-1].stop == SYSTEM)
    assert stop_run(folder, wait=20).message.startswith("Stopped by you")


def test_it_is_told_until_when_a_training_that_was_asked_to_end_has_time(start_small, wait_until, monkeypatch):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "60")
    folder = start_small("--stubborn", "--steps", "5000", "--pause", "0.05")
    wait_until(lambda: folder.training_log.exists() and " 2/5000" in folder.training_log.read_text())
    assert read_status(folder).killed_at is None
    asked = time.time()
    stop_run(folder)
    wait_until(lambda: read_status(folder).state == "stopping")
    assert read_status(folder).killed_at == pytest.approx(asked + 60, abs=5)
    read_record(folder).attempts[-1].training.signal(signal.SIGKILL)
    assert wait_for_end(folder, 20).killed_at is None


def test_trouble_with_a_place_is_noted_once_and_not_each_second(outputs):
    folder = RunFolder(outputs / "any")
    folder.path.mkdir()
    record, holding = begin_attempt(folder, None, ["train"]), Holding(folder)
    assert holding.take([CPU])
    shutil.rmtree(locks_folder())
    locks_folder().rmdir()
    Path(os.environ["FLUXGYM_LOCKS"]).touch()
    with lock.hold(folder.lock, 0) as held:
        watch = Watch(Guarded(folder, held, Monitor(folder)), record, Identity.of(os.getpid()), holding)
        for _ in range(3):
            watch._keep_places()
    holding.give_back()
    assert folder.monitor_log.read_text().count("the locks of CPU cannot be made anew") == 1
