"""A guarded run: how long a training has from SIGTERM to SIGKILL, and a log that is another run's by now."""

import os
import signal
import subprocess
import sys

import pytest

from fluxgym.run import lock
from fluxgym.run.family import ATTEMPT_MARK, MARK, mark
from fluxgym.run.guarded import GRACE, Guarded
from fluxgym.run.identity import read_stat
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import begin_attempt
from trainer.folder import RunFolder


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    with lock.hold(folder.lock, 0) as held:
        yield Guarded(folder, held, Monitor(folder))


@pytest.mark.parametrize(("wanted", "grace"), [("7", 7), ("0", 0), ("soon", GRACE), ("-1", GRACE), ("inf", GRACE)])
def test_grace(run, monkeypatch, wanted, grace):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", wanted)
    assert run.grace() == grace
    told = run.folder.monitor_log.read_text() if run.folder.monitor_log.exists() else ""
    assert ("expected a number of 0 or more" in told) == (wanted not in ("7", "0"))


def test_the_log_of_another_run_is_left_alone(run):
    run.note("mine")
    run.folder.lock.unlink()
    run.note("not mine any more")
    assert "mine\n" in run.folder.monitor_log.read_text()
    assert "any more" not in run.folder.monitor_log.read_text()


def test_a_suspended_process_that_stayed_behind_hears_that_it_must_end(run, wait_until):
    record = begin_attempt(run.folder, None, ["train"])
    marks = {MARK: mark(run.folder), ATTEMPT_MARK: record.attempt_mark}
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=os.environ | marks)
    wait_until(lambda: run.family(record))
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: read_stat(child.pid).state == "T")
    run.clear_remains(record)
    assert child.wait(5) == -signal.SIGTERM
    assert f"process {child.pid} is suspended: SIGCONT, so that it can end" in run.folder.monitor_log.read_text()


def test_other_machines_hear_of_us_while_what_stayed_behind_has_time_to_end(run, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.2")
    record = begin_attempt(run.folder, None, ["train"])
    marks = {MARK: mark(run.folder), ATTEMPT_MARK: record.attempt_mark}
    deaf = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    child = subprocess.Popen(["bash", "-c", deaf], stdout=subprocess.PIPE, env=os.environ | marks)
    assert child.stdout.readline() == b"deaf\n"
    run.clear_remains(record)
    assert child.wait(5) == -signal.SIGKILL
    assert run.folder.heartbeat.exists()
