"""A training that hangs, in three ways, and each choice of what is done then; limits are a fiftieth of the usual ones."""

import signal
from dataclasses import replace

import pytest

from fluxgym.run.care import RESUME, STOP, Care, write_care
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after, stop_run, wait_for_end
from fluxgym.run.record import MONITOR, STALLED, read_record
from fluxgym.run.status import read_status
from tests.faults.tree import is_guarded, text_of
from trainer.folder import RunFolder

HANGS = {"stop": "is suspended (SIGSTOP)", "spin": "CPU cores", "fifo": "It uses no CPU"}  # and what is seen of each
ALONE = Care(place="none")
THEN_STOP, THEN_RESUME = replace(ALONE, when_stalled=STOP), replace(ALONE, when_stalled=RESUME)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Limits and delays that are short, and no pause before a resume."""
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.02")
    monkeypatch.setenv("FLUXGYM_STOP_GRACE", "0.5")
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.1")


@pytest.fixture
def hung(start_small, wait_until):
    """hung(how, care): a run that made 30 steps, saved a state at the 20th and stalled; its training."""

    def start(how: str, care: Care) -> tuple[RunFolder, Identity]:
        options = ("--steps", "40", "--state-at", "20", "--hang-at", "30", "--attempts", "1", "--hang", how)
        folder = start_small(*options, care=care)
        wait_until(lambda: read_record(folder).health.verdict == STALLED, 30)
        return folder, read_record(folder).attempts[0].training

    return start


@pytest.mark.parametrize("how", HANGS)
def test_what_hangs_is_told_and_left_alone(hung, wait_until, how):
    folder, training = hung(how, ALONE)
    status = read_status(folder)
    assert (status.state, status.health.verdict, status.health.will) == ("running", STALLED, "")
    assert status.health.reason.startswith("No step for")
    assert HANGS[how] in status.health.reason
    assert training.alive()
    wait_until(lambda: "health stalled, at step 30" in text_of(folder.monitor_log))
    stopped = stop_run(folder, wait=20)
    assert (stopped.state, stopped.resumable.step >= 20) == ("stopped", True)
    assert stopped.message.startswith("Stopped by you")


@pytest.mark.parametrize("how", HANGS)
def test_what_hangs_is_stopped_where_that_was_chosen(hung, how):
    folder, training = hung(how, THEN_STOP)
    assert (read_status(folder).health.will, training.alive()) == ("stop", True)
    status = wait_for_end(folder, 30)
    assert (status.state, training.alive()) == ("stopped", False)
    assert status.message.startswith("Stopped by the monitor")
    assert status.resumable.step >= 20


def test_what_was_stalled_and_goes_on_is_well_again(hung, wait_until):
    folder, training = hung("stop", ALONE)
    training.signal(signal.SIGCONT)
    wait_until(lambda: read_status(folder).state == "completed")
    assert "health well" in folder.monitor_log.read_text()


def test_a_choice_that_is_changed_in_time_counts(hung, wait_until):
    """It was to be stopped; its person thinks better of it on the page."""
    folder, training = hung("fifo", THEN_STOP)
    write_care(folder, ALONE)
    wait_until(lambda: read_status(folder).health.will == "")
    assert read_status(folder).health.verdict == STALLED
    assert training.alive()


def test_a_stall_is_known_to_the_supervisor_that_comes_next(hung, killed, wait_until):
    """Nothing is done by a supervisor that has just come: it looks for as long as the first one did."""
    folder, training = hung("fifo", THEN_STOP)
    killed(read_record(folder).supervisor)
    wait_until(lambda: is_guarded(folder) or not look_after(folder))
    assert (read_status(folder).health.verdict, training.alive()) == (STALLED, True)
    assert wait_for_end(folder, 30).state == "stopped"


def test_a_person_who_stops_a_stalled_run_is_not_overruled(hung):
    folder, _ = hung("fifo", THEN_RESUME)
    status = stop_run(folder, wait=20)
    assert (status.state, status.message[:14], status.attempt) == ("stopped", "Stopped by you", 1)


@pytest.mark.parametrize("how", HANGS)
def test_what_hangs_is_resumed_where_that_was_chosen(hung, wait_until, how):
    folder, _ = hung(how, THEN_RESUME)
    wait_until(lambda: read_record(folder).state == "completed", 30)
    first, second = read_record(folder).attempts
    assert (first.stop, second.begun_by, second.resumed_from is not None) == (MONITOR, MONITOR, True)
    assert read_status(folder).step == 40
