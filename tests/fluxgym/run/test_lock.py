"""run.lock: one holder, freed by the kernel when the holder dies."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time

import pytest

from fluxgym.run import lock
from fluxgym.run.beat import SILENT_AFTER, Heart
from tests.fluxgym.run.hosts import beat_as
from trainer.folder import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from fluxgym.run import lock
from fluxgym.run.beat import Heart
from tests.fluxgym.run.hosts import beat_as
from trainer.folder import RunFolder
with lock.hold(Path(sys.argv[1]), 0):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_holder(tmp_path):
    path = tmp_path / "run.lock"
    assert not lock.is_held(path)
    with lock.hold(path, 0):
        assert lock.is_held(path)
        with pytest.raises(lock.LockHeld, match=r"run\.lock"), lock.hold(path, 0.05):
            pass
    assert not lock.is_held(path)


def test_freed_when_its_holder_is_killed(tmp_path, wait_until):
    path = tmp_path / "run.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert lock.is_held(path)
        holder.kill()
        wait_until(lambda: not lock.is_held(path))
    with lock.hold(path, 0):
        pass


def test_a_file_that_was_taken_away(tmp_path):
    path = tmp_path / "a" / "run.lock"
    path.parent.mkdir()
    with lock.hold(path, 0) as old:
        assert old.is_there()
        path.unlink()
        assert not old.is_there()
        with lock.hold(path, 0) as new:
            assert new.is_there()
            assert not old.is_there()


def test_taken_again(tmp_path):
    path = tmp_path / "run.lock"
    with lock.hold(path, 0) as held:
        path.unlink()
        assert held.take_again()
        assert held.is_there()
        assert lock.is_held(path)
        path.unlink()
        with lock.hold(path, 0):
            assert not held.take_again()
    assert not lock.is_held(path)


def test_waiting_for_a_file_that_was_taken_away(tmp_path):
    """Whoever waited for the lock of a folder gets that of the folder that is there now."""
    path = tmp_path / "run.lock"
    told = []

    def wait() -> None:
        with lock.hold(path, 20) as held:
            told.append(held.is_there())

    with lock.hold(path, 0):
        waiting = threading.Thread(target=wait)
        waiting.start()
        path.unlink()
    waiting.join()
    assert told == [True]


def test_a_volume_on_which_locking_fails_says_so(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "run.lock"
    with pytest.raises(OSError, match="expected a volume that knows flock; FLUXGYM_OUTPUTS"), lock.hold(path, 0):
        pass
    assert not lock.is_held(path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_on_a_volume_without_locks_the_heartbeat_holds(tmp_path, monkeypatch, number):
    def refuse(*_: object) -> None:
        raise OSError(number, "")

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = RunFolder(tmp_path)
    with lock.hold(folder.lock, 0):
        Heart(folder).beat()
        assert not lock.is_held(folder.lock), "ours keeps nobody of us away"
    beat_as(folder, "gpu-1", 6)
    assert lock.is_held(folder.lock)
    with pytest.raises(lock.LockHeld), lock.hold(folder.lock, 0):
        pass
    beat_as(folder, os.uname().nodename, 2**22 + 1)  # of this machine, and dead
    assert not lock.is_held(folder.lock)
    beat_as(folder, os.uname().nodename, 1)
    assert lock.is_held(folder.lock)
    os.utime(folder.heartbeat, (1, time.time() - SILENT_AFTER - 1))
    assert not lock.is_held(folder.lock), "its pid is that of a stranger by now"


def test_patience_outlasts_a_reader(tmp_path):
    path = tmp_path / "run.lock"
    with lock.hold(path, 0):
        script = (
            f"from pathlib import Path; from fluxgym.run import lock\nwith lock.hold(Path({str(path)!r}), 20): print('held')"
        )
        waiting = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert waiting.communicate(timeout=30)[0] == b"held\n"
