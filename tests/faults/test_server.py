"""The dashboard's server is killed, hung up or terminated, with all of its process group: the runs that it began go on."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from fluxgym.run.care import write_care
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import resume_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import NO_TURN, RUNNING, is_guarded, small_command, steps_in
from trainer.folder import RunFolder

# a real server that has begun a run, as the Start button does, before it serves pages
SERVER = """
import signal, sys
from pathlib import Path
from fluxgym.run.launch import start_run
from streamlit.web.cli import main
from trainer.folder import RunFolder
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
start_run(RunFolder(Path(sys.argv[1])), sys.argv[3:])
sys.argv = ["streamlit", "run", "dashboard.py", "--server.port", sys.argv[2], "--server.headless", "true"]
main()
"""


@pytest.fixture
def server(outputs, tmp_path, wait_until):
    """server(*options): a dashboard that answers, and the run it has begun; it leads a process group, as in a terminal."""
    started = []

    def start(*options: str) -> tuple[subprocess.Popen, RunFolder]:
        folder = RunFolder(outputs / "small")
        folder.path.mkdir(exist_ok=True)
        write_care(folder, NO_TURN)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        command = [sys.executable, "-c", SERVER, str(folder.path), port, *small_command(folder, *options)]
        with (tmp_path / "server.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True))
        wait_until(lambda: answers(port), 60)
        wait_until(lambda: read_status(folder).pid and steps_in(folder))
        return started[-1], folder

    yield start
    for process in started:
        process.kill()
        process.wait()


def answers(port: str) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_the_servers_process_group(server, wait_until, number):
    """As when the terminal is closed, the pod's shell ends, or the kernel is out of memory."""
    process, folder = server(*RUNNING)
    os.killpg(process.pid, number)
    wait_until(lambda: process.poll() is not None)
    seen = steps_in(folder)
    wait_until(lambda: steps_in(folder) > seen + 5)
    assert is_guarded(folder)
    status = stop_run(folder, wait=20)
    assert (status.state, status.attempt, status.message[:14]) == ("stopped", 1, "Stopped by you")


def test_server_supervisor_and_training_killed(server, killed):
    process, folder = server(*RUNNING, "--state-at", "3")
    record = read_record(folder)
    process.kill()
    process.wait()
    killed(record.supervisor)
    killed(record.attempts[-1].training)
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable.step) == ("failed", 3)
    assert "most likely killed" in status.message
    resume_run(folder)
    assert stop_run(folder, wait=20).state == "stopped"
