"""A supervisor that is sent: nothing of it is left with the sender, and no signal is lost on its way. See test_launch.py."""

import os
import signal
import sys

from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.family import KEY, PASSWORD_HASH
from fluxgym.run.launch import start_run, wait_for_end
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.send import BLOCKED, send_supervisor
from fluxgym.run.watch import FETCHED
from trainer.folder import RunFolder


def test_what_it_fetches_cannot_end_it_before_it_is_up(outputs, wait_until):
    assert set(FETCHED) - {signal.SIGCHLD} == BLOCKED
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    write_care(folder, Care())
    write_record(folder, begin_attempt(folder, None, ["sleep", "600"]).to("queued"))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    supervisor = send_supervisor(folder)
    assert supervisor.signal(signal.SIGUSR2), "the pause of another moment"
    assert supervisor.signal(signal.SIGUSR1)
    wait_until(lambda: read_record(folder).state == "stopped")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_the_key_to_the_pages_is_not_for_a_training(outputs, monkeypatch):
    """Some print their environment."""
    for name in (KEY, PASSWORD_HASH):
        monkeypatch.setenv(name, "hidden")
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    start_run(folder, ["env"], care=Care(place=NONE), any_command=True)
    assert wait_for_end(folder, 60).state == "completed"
    text = folder.training_log.read_text()
    assert "FLUXGYM_RUN=" in text and "hidden" not in text


def test_nothing_is_inherited(outputs, wait_until):
    """No file, pipe or marking of the launcher reaches supervisor or training, whose input is empty."""
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    script = "import os, sys, time; print(sys.stdin.read(), sorted(os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)))"
    script += "; print('open:', os.listdir('/proc/self/fd'), os.getsid(0) == os.getpid(), flush=True); time.sleep(600)"
    start_run(folder, [sys.executable, "-c", script], care=Care(place=NONE))
    os.close(writer)
    wait_until(lambda: "open:" in folder.training_log.read_text() if folder.training_log.exists() else False)
    assert os.read(reader, 1) == b""  # the other end is closed everywhere
    os.close(reader)
    text = folder.training_log.read_text()
    assert f"['/dev/null', '{folder.training_log}', '{folder.training_log}']" in text
    assert "['0', '1', '2', '3'] True" in text  # 3 is the listing itself
    supervisor = read_record(folder).supervisor
    assert os.getsid(supervisor.pid) == supervisor.pid
