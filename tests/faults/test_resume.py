"""Going on by itself after a crash: only where that was chosen, so many times, and never against a person's wish."""

import signal

import pytest

from fluxgym.run.care import Care
from fluxgym.run.launch import look_after, resume_run, stop_run, wait_for_end
from fluxgym.run.record import MONITOR, PERSON, read_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, is_guarded
from trainer.folder import RunFolder

GOES_ON = Care(place="none", resume_after_crash=True, most_resumes=2)
CRASHES = ("--steps", "20", "--state-at", "5", "--end-at", "10", "--code", "-9")


def begun_by(folder: RunFolder) -> list[str]:
    return [attempt.begun_by for attempt in read_record(folder).attempts]


@pytest.fixture
def pause(monkeypatch):
    """pause(seconds): between a crash and the first attempt that begins by itself."""
    return lambda seconds: monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", str(seconds))


def test_a_crash_is_resumed_with_nobody_watching(start_small, wait_until, pause):
    pause(0.1)
    folder = start_small(*CRASHES, "--attempts", "1", care=GOES_ON)
    wait_until(lambda: read_record(folder).state == "completed")
    assert begun_by(folder) == [PERSON, MONITOR]
    assert "Resuming: step 5 of 20" in folder.training_log.read_text()
    assert read_record(folder).attempts[0].verdict.kind == "killed"


def test_it_is_not_resumed_for_ever(start_small, wait_until, pause):
    pause(0.1)
    folder = start_small(*CRASHES, care=GOES_ON)
    wait_until(lambda: read_record(folder).state == "failed", 30)
    assert begun_by(folder) == [PERSON, MONITOR, MONITOR]
    assert read_status(folder).resumes_left == 0
    assert read_record(folder).supervisor is None
    assert resume_run(folder).resumes_left == 2  # a person's wish begins the count anew


def test_it_is_not_resumed_where_that_was_not_chosen(start_small, pause):
    pause(0.1)
    folder = start_small(*CRASHES)
    assert wait_for_end(folder, 20).state == "failed"
    assert begun_by(folder) == [PERSON]


@pytest.fixture
def pausing(start_small, wait_until, pause):
    """A run that crashed, and waits for a minute before it goes on by itself."""
    pause(60)
    folder = start_small(*CRASHES, "--attempts", "1", care=GOES_ON)
    wait_until(lambda: read_status(folder).resumes_at)
    assert (read_status(folder).state, begun_by(folder)) == ("queued", [PERSON, MONITOR])
    return folder


def test_a_stop_during_the_pause_ends_it(pausing):
    supervisor = read_record(pausing).supervisor
    status = stop_run(pausing, wait=20)
    assert (status.state, status.resumable.step, supervisor.alive()) == ("stopped", 5, False)
    assert "Attempt 2" not in pausing.training_log.read_text()
    resume_run(pausing)
    assert wait_for_end(pausing, 20).state == "completed"


def test_a_supervisor_killed_during_the_pause(pausing, killed, wait_until):
    """The next one waits for the rest of it, and no longer."""
    resumes_at = read_status(pausing).resumes_at
    killed(read_record(pausing).supervisor)
    look_after(pausing)
    wait_until(lambda: is_guarded(pausing))
    assert read_status(pausing).resumes_at == resumes_at
    assert begun_by(pausing) == [PERSON, MONITOR]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM], ids=["a person", "the system"])
def test_what_was_stopped_is_not_resumed(running, wait_until, pause, number):
    pause(0.1)
    folder, supervisor, _ = running(*RUNNING, care=GOES_ON)
    supervisor.signal(number)
    wait_until(lambda: read_record(folder).state == "stopped")
    wait_until(lambda: not supervisor.alive())
    assert begun_by(folder) == [PERSON]


def test_a_crash_that_nobody_saw_is_resumed_too(running, killed, wait_until, pause):
    """Supervisor and training were killed: whoever looks next sends one who goes on."""
    pause(0.1)
    folder, supervisor, training = running("--steps", "200", "--state-at", "3", care=GOES_ON)
    wait_until(folder.last_state)
    killed(supervisor)
    killed(training)
    look_after(folder)
    wait_until(lambda: read_record(folder).state == "completed", 30)
    assert begun_by(folder) == [PERSON, MONITOR]
