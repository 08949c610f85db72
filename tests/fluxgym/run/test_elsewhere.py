"""Signs of life of a run on another machine."""

import dataclasses
import itertools
import os
import subprocess
import sys
import threading
import time

import pytest

from fluxgym.run.beat import SILENT_AFTER
from fluxgym.run.elsewhere import LONGER, find_signs, is_heard
from fluxgym.run.folders import PROJECT
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.status import read_status
from fluxgym.run.supervise import BUSY
from tests.fluxgym.run.hosts import beat_as, there
from trainer.folder import RunFolder


@pytest.fixture
def folder(outputs):
    folder = RunFolder(outputs / "a")
    folder.path.mkdir()
    record = begin_attempt(folder, None, ["x"]).to("running", training=there("gpu-1", 7))
    write_record(folder, dataclasses.replace(record, supervisor=there("gpu-1", 6)))
    return folder


def aged(path, seconds):
    os.utime(path, (1, time.time() - seconds))


def test_a_beat_guards_a_run_of_which_no_lock_is_seen(folder):
    beat_as(folder, "gpu-1", 6)
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor, status.host) == ("running", True, False, "gpu-1")
    assert (status.pid, status.health.verdict, status.message) == (None, "well", "")


def test_without_a_beat_a_log_that_grows_forbids_to_call_it_over(folder):
    beat_as(folder, "gpu-1", 6)
    aged(folder.heartbeat, SILENT_AFTER + 10)
    folder.training_log.write_text("a line\n")
    status = look_after(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == ("running", True, False)
    assert status.message == "Its supervisor on gpu-1 was not heard for 70 s."
    assert not folder.monitor_log.exists(), "nobody was sent"


def test_when_nothing_is_heard_it_is_lost_there_at_a_known_step(folder):
    folder.training_log.write_text("steps:  50%|#| 5/10 [00:05<00:05,  1.00s/it, loss=0.1, avr_loss=0.1, lr=1e-04]\n")
    aged(folder.training_log, LONGER * SILENT_AFTER + 10)
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == ("lost", False, True)
    assert status.message == "Nothing is heard any more of gpu-1, where it was at step 5 of 10."


def test_a_reboot_of_this_machine_is_told_from_another_machine(folder):
    me = Identity.of(os.getpid())
    old = dataclasses.replace(me, boot_id="an earlier boot")
    record = begin_attempt(folder, None, ["x"]).to("running", training=old)
    write_record(folder, dataclasses.replace(record, supervisor=old))
    assert find_signs(folder, record) is None
    assert read_status(folder).message.startswith("The machine restarted")
    renamed = dataclasses.replace(me, host="as it was called before")
    assert not renamed.is_elsewhere
    assert not dataclasses.replace(old, host="").is_elsewhere, "of a run.json that does not know hosts"


@pytest.mark.parametrize("name", ["heartbeat", "training_log"])
def test_what_is_heard_is_alive_whatever_the_clocks_say(folder, name, monkeypatch):
    """A clock that is two minutes behind makes each beat look old."""
    path = getattr(folder, name)
    folder.heartbeat.touch()
    stop = threading.Event()

    def go_on():
        for number in itertools.count():
            new = path.with_name("new")  # never seen with the time of now
            new.write_text("x" * (1 + number % 2))
            aged(new, 1000 + number)
            new.replace(path)
            if stop.wait(0.05):
                return

    other = threading.Thread(target=go_on)
    other.start()
    try:
        assert not read_status(folder).is_active
        assert is_heard(folder)
        done = subprocess.run([sys.executable, "-m", "fluxgym.run", str(folder.path)], cwd=PROJECT, check=False)
        assert done.returncode == BUSY, "nobody judges it"
    finally:
        stop.set()
        other.join()
    assert read_record(folder).verdict is None
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "0.5")
    assert not is_heard(folder)
