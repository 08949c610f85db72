"""The clock of the whole process tree is set, an hour ahead or back, while a run goes on: no duration notices.

tests/faults/clock/sitecustomize.py is the seam: it sets the clock of all Python processes of a run, and of those that look.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxgym.run.care import STOP, Care
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import stop_run
from fluxgym.run.queue import find_turn
from fluxgym.run.record import STALLED, read_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, steps_in, text_of

HERE = Path(__file__).parent / "clock"
HOUR = 3600
SET = pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "back"])


@pytest.fixture
def set_clock(tmp_path, monkeypatch):
    """set_clock(seconds): every process that was started after this fixture has a clock that is so much ahead."""
    clock = tmp_path / "clock"
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{PROJECT}")
    monkeypatch.setenv("FLUXGYM_TEST_CLOCK", str(clock))
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.05")
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.1")

    def set_to(seconds: float) -> None:
        beside = clock.with_name("clock.new")
        beside.write_text(f"{seconds} {time.time()}")
        beside.replace(clock)

    return set_to


def look() -> dict:
    """The one run, as somebody sees it whose clock was set too."""
    command = [sys.executable, "-m", "fluxgym", "list", "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    [row] = json.loads(done.stdout)
    return row


def test_the_seam_sets_the_clock(set_clock, running, wait_until):
    """Without this, the other cases could not fail."""
    folder, _, _ = running(*RUNNING)
    set_clock(5 * 365 * 86400)
    year = str(int(time.strftime("%Y")) + 5)
    wait_until(lambda: f"\n{year}-" in text_of(folder.training_log))
    stop_run(folder, wait=20)
    assert f"\n{year}-" in folder.monitor_log.read_text()


@SET
def test_a_run_that_goes_on_is_neither_stuck_nor_stopped(set_clock, running, wait_until, seconds):
    folder, supervisor, training = running(*RUNNING, care=Care(place="none", when_stalled=STOP))
    for ahead in (seconds, 0):  # and set right again
        set_clock(ahead)
        seen = steps_in(folder)
        wait_until(lambda seen=seen: steps_in(folder) > seen + 200, 60)
        row = look()
        assert (row["state"], row["attempt"], row["pid"]) == ("running", 1, training.pid)
        assert 0 <= row["last_line_age_seconds"] < 60
        assert 0 <= row["eta_seconds"] < HOUR
        assert "health stalled" not in folder.monitor_log.read_text()
    assert supervisor.alive()


@SET
def test_a_stall_is_seen_and_acted_on_in_its_time(set_clock, start_small, wait_until, seconds):
    options = ("--steps", "40", "--hang-at", "30", "--hang", "fifo")
    folder = start_small(*options, care=Care(place="none", when_stalled=STOP))
    wait_until(lambda: steps_in(folder) == 30)
    set_clock(seconds)
    wait_until(lambda: read_record(folder).health.verdict == STALLED, 30)
    stalled = time.monotonic()
    set_clock(2 * seconds)
    wait_until(lambda: read_record(folder).state == "stopped", 30)
    assert time.monotonic() - stalled > 1.5  # of the 3 s that are given, a machine that is slow taken into account


@SET
def test_what_ended_took_the_time_that_it_took(set_clock, start_small, wait_until, tmp_path, seconds):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: steps_in(folder) == 5)
    set_clock(seconds)
    (tmp_path / "go").touch()
    wait_until(lambda: read_record(folder).state == "completed")
    told = subprocess.run([sys.executable, "-m", "fluxgym", "list"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "Completed" in told.stdout
    assert read_status(folder).took < 60
    assert re.search(r"-\d+ ?(s|m|h|d)\b", told.stdout) is None


@SET
def test_a_pause_before_a_resume_lasts_as_long_as_it_was_meant(set_clock, start_small, wait_until, monkeypatch, seconds):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    options = ("--steps", "20", "--state-at", "5", "--end-at", "10", "--code", "-9", "--attempts", "1")
    folder = start_small(*options, care=Care(resume_after_crash=True))
    wait_until(lambda: read_record(folder).resumes_at and find_turn(folder))
    begun = time.monotonic()
    set_clock(seconds)
    wait_until(lambda: read_record(folder).state == "completed", 30)
    assert time.monotonic() - begun > 1.5
