"""run.json is damaged, empty or of a future version: the run says so, goes on or is resumed, and others do not notice."""

import signal

import pytest

from fluxgym.run.folders import list_runs
from fluxgym.run.launch import RunIsActive, look_after, resume_run, stop_run, wait_for_end
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING

DAMAGE = {
    "empty": (b"", "cannot be read"),
    "torn": (b'{"name": "small", "cre', "cannot be read"),
    "binary": (b"\xff\xfe\x00", "cannot be read"),
    "of another kind": (b"[1, 2]", "got list, expected an object"),
    "without attempts": (b'{"version": 1, "state": "running", "attempts": []}', "got no attempt"),
    "of the future": (b'{"version": 99, "news": true}', "is of version 99"),
}
damaged = pytest.mark.parametrize(("data", "said"), DAMAGE.values(), ids=DAMAGE)


@damaged
def test_a_damaged_record_of_an_ended_run(start_small, running, data, said):
    """It is told; the other run is as before; a resume goes on from the last state and keeps the damaged file."""
    folder, _, _ = running(*RUNNING)
    stopped = stop_run(folder, wait=20)
    other = start_small(name="other")
    assert wait_for_end(other, 20).state == "completed"
    folder.record.write_bytes(data)
    status = look_after(folder)
    assert (status.state, status.is_active, said in status.message) == (None, False, True)
    assert folder.record.read_bytes() == data
    assert (look_after(other).state, len(list_runs())) == ("completed", 2)
    resume_run(folder)
    [kept] = folder.path.glob("run.json.bad-*")
    assert kept.read_bytes() == data
    status = stop_run(folder, wait=20)
    assert (status.state, status.resumable.step >= stopped.step) == ("stopped", True)


@pytest.mark.parametrize(("data", "said"), [DAMAGE["torn"], DAMAGE["of the future"]], ids=["torn", "of the future"])
def test_a_record_that_is_damaged_while_the_run_goes_on(running, data, said):
    """The supervisor knows what is true, and writes it down in the end."""
    folder, supervisor, training = running(*RUNNING)
    folder.record.write_bytes(data)
    assert said in read_status(folder).message
    with pytest.raises(RunIsActive):
        resume_run(folder)
    assert training.alive()
    supervisor.signal(signal.SIGTERM)
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable.step) == ("stopped", status.step)


def test_a_damaged_record_and_a_dead_supervisor(running, killed, wait_until):
    """The training is found by its mark, and is not started a second time."""
    folder, supervisor, training = running(*RUNNING)
    folder.record.write_bytes(b"")
    killed(supervisor)
    status = read_status(folder)
    assert (status.pid, status.is_active) == (training.pid, True)
    with pytest.raises(RunIsActive, match=f"process {training.pid}"):
        resume_run(folder)
    assert folder.record.read_bytes() == b""
    training.signal(signal.SIGTERM)
    wait_until(lambda: not training.alive())
    assert not read_status(folder).is_active
