"""A run that is guarded on another machine: a real one, of processes of its own and with a name of its own, on the same folder.

It is made of namespaces, which needs root. Its locks are seen here, as on NFS; in some cases they are hidden from the reader,
as where locks stay on their machine.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxgym.run import lock
from fluxgym.run.create import create_folder
from fluxgym.run.identity import Identity
from fluxgym.run.launch import RunIsActive, look_after, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.conftest import NO_TURN, SMALL_TRAINING
from tests.faults.tree import steps_in
from trainer.folder import RunFolder

START = """
import sys
from pathlib import Path
from fluxgym.run.care import NONE, Care
from fluxgym.run.create import create_folder
from fluxgym.run.launch import start_run
folder = create_folder(sys.argv[1])
command = [sys.executable, sys.argv[2], str(folder.path), "--steps", "1000", "--pause", "0.1", "--state-at", "2"]
start_run(folder, command, care=Care(place=NONE))
"""


@pytest.fixture
def power(outputs, wait_until):
    """power(name, host): a run of that name under way on another machine; its folder, and what ends that machine at once."""
    machines = []

    def start(name: str, host: str = "elsewhere") -> tuple[RunFolder, subprocess.Popen[bytes]]:
        if not shutil.which("unshare"):
            pytest.skip("unshare is not installed")
        script = f'hostname {host} && "$@" && exec sleep 600'
        command = [sys.executable, "-c", START, name, str(SMALL_TRAINING)]
        namespaces = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        machine = subprocess.Popen(
            [*namespaces, "sh", "-c", script, "sh", *command], cwd=Path(__file__).parent.parent.parent, stderr=subprocess.PIPE
        )
        machines.append(machine)
        folder = RunFolder(outputs / name)
        wait_until(lambda: machine.poll() is not None or (folder.record.exists() and steps_in(folder) > 2))
        if machine.poll() is not None:
            pytest.skip(f"no machine of its own can be made here: {machine.stderr.read().decode().strip()[-200:]}")
        return folder, machine

    yield start
    for machine in machines:
        machine.kill()
        machine.wait()
        machine.stderr.close()


@pytest.fixture
def hidden_locks(monkeypatch, tmp_path):
    """Locks of the other machine are not seen here: ours are on files of our own."""
    take = lock.take
    monkeypatch.setattr(lock, "is_held", lambda path: False)
    monkeypatch.setattr(lock, "take", lambda path: take(tmp_path / f"our-{path.name}"))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "6")  # a beat comes every 5 s


@pytest.mark.parametrize("host", ["elsewhere", os.uname().nodename])  # containers are often called the same
def test_it_is_seen_under_way_and_stopped_from_here(power, hidden_locks, host, wait_until):
    folder, _ = power("a", host)
    status = look_after(folder)
    assert (status.state, status.host, status.pid, status.needs_supervisor) == ("running", host, None, False)
    assert read_record(folder).supervisor.alive() is False, "its process is not of this machine"
    with pytest.raises(RunIsActive, match="a is under way already: running"):
        start_run(folder, ["x"], care=NO_TURN)
    status = stop_run(folder, 60)
    assert (status.state, status.message.partition(" at step")[0]) == ("stopped", "Stopped by you")
    assert not folder.stop_now.exists()
    wait_until(lambda: not folder.heartbeat.exists())  # a moment after the verdict


def test_a_machine_that_is_gone_leaves_a_lost_run_that_goes_on_here(power, impatient, wait_until):
    folder, machine = power("a")
    machine.send_signal(signal.SIGKILL)
    machine.wait()
    step = steps_in(folder)
    wait_until(lambda: look_after(folder).state == "lost" and read_record(folder).verdict)
    status = read_status(folder)
    assert f"Nothing is heard any more of elsewhere, where it was at step {step} of" in status.message
    assert status.resumable.step >= 2
    assert resume_run(folder).is_active
    wait_until(lambda: read_status(folder).pid)
    record = read_record(folder)
    assert record.supervisor.host == os.uname().nodename == Identity.of(os.getpid()).host
    assert record.attempts[-1].resumed_from
    stop_run(folder, 60)
    assert wait_for_end(folder, 60).state == "stopped"


def test_while_its_log_may_grow_no_supervisor_of_this_machine_touches_it(power, hidden_locks, monkeypatch, wait_until):
    folder, _ = power("a")
    record = read_record(folder)
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "0.001")  # no beat is fresh enough
    monkeypatch.setattr("fluxgym.run.elsewhere.LONGER", 1e6)  # the log is
    status = look_after(folder)
    assert (status.state, status.needs_supervisor) == ("running", False)
    assert status.message.startswith("Its supervisor on elsewhere was not heard for")
    assert read_record(folder) == record
    assert create_folder("another").path.is_dir(), "all others are as they were"
