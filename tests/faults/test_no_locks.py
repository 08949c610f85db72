"""The outputs lie on a file system that knows no locks, as Lustre often is: the supervisor's heartbeat keeps others away.

tests/faults/no_locks/sitecustomize.py is the seam: it takes the locks away from all Python processes of a run.
"""

import fcntl
import signal
import sys
from pathlib import Path

import pytest

from fluxgym.run import lock
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import RunIsActive, look_after, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.conftest import NO_TURN
from tests.faults.tree import RUNNING

HERE = Path(__file__).parent / "no_locks"


@pytest.fixture(autouse=True)
def no_locks(outputs, monkeypatch):
    """In processes that begin, and in ours."""
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{PROJECT}")
    monkeypatch.setenv("FLUXGYM_TEST_NO_LOCKS", str(outputs))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.delitem(sys.modules, "sitecustomize", raising=False)
    monkeypatch.setattr(fcntl, "flock", fcntl.flock)  # given back at the end
    import sitecustomize

    assert str(outputs) == sitecustomize.FOLDER
    monkeypatch.delitem(sys.modules, "sitecustomize")


def test_the_seam_takes_locks_away(outputs):
    """Without this, the other cases could not fail."""
    with (outputs / "a").open("w") as file, pytest.raises(OSError, match="not implemented"):
        fcntl.flock(file, fcntl.LOCK_EX)


def test_a_run_is_guarded_stopped_and_goes_on(running, wait_until):
    folder, supervisor, _ = running(*RUNNING)
    assert lock.is_held(folder.lock)
    with pytest.raises(RunIsActive):
        start_run(folder, ["x"], care=NO_TURN)
    with pytest.raises(RunIsActive):
        resume_run(folder)
    assert read_record(folder).supervisor == supervisor
    assert stop_run(folder, wait=60).state == "stopped"
    wait_until(lambda: not lock.is_held(folder.lock))
    resume_run(folder)
    assert stop_run(folder, wait=60).attempt == 2


def test_a_supervisor_that_is_killed_has_a_successor(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    wait_until(lambda: not look_after(folder).needs_supervisor and read_record(folder).supervisor != supervisor)
    assert read_status(folder).pid == training.pid
    training.signal(signal.SIGKILL)
    assert wait_for_end(folder, 60).state == "failed"
