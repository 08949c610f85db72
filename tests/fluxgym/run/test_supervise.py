"""The supervisor by itself: started by hand, twice, for nothing; its attempt line; its size. Faults: tests/faults."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys

import pytest

from fluxgym.run import lock
from fluxgym.run.identity import Identity
from fluxgym.run.places import list_places
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.supervise import BUSY, NOTHING_TO_DO, _write_attempt_line
from trainer.folder import RunFolder

SUPERVISOR = [sys.executable, "-m", "fluxgym.run"]


@pytest.fixture
def folder(outputs):
    (outputs / "small").mkdir()
    return RunFolder(outputs / "small")


def supervise(*arguments):
    return subprocess.run([*SUPERVISOR, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def test_wrong_use(folder):
    for arguments in ([], [folder.path, folder.path], [folder.path / "gone"]):
        done = supervise(*arguments)
        assert done.returncode == 2
        assert "expected the folder of one run" in done.stderr


def test_by_hand(folder):
    write_record(folder, begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)]))
    assert supervise(folder.path).returncode == 0
    assert read_record(folder).state == "completed"
    before = folder.record.read_bytes()
    assert supervise(folder.path).returncode == NOTHING_TO_DO
    assert folder.record.read_bytes() == before


def test_only_one(folder, monkeypatch):
    with lock.hold(folder.lock, 0):
        script = (
            "import sys; from fluxgym.run import supervise; supervise.PATIENCE = 0.1; sys.exit(supervise.main(sys.argv[1:]))"
        )
        done = subprocess.run([sys.executable, "-c", script, folder.path], check=False, timeout=60)
    assert done.returncode == BUSY
    assert "another one guards this run" in folder.monitor_log.read_text()
    assert not folder.record.exists()


def test_a_daemon_that_cannot_be_found_does_not_keep_the_place(folder):
    daemon = ["env", "-i", "setsid", "sh", "-c", "echo $$; exec sleep 60"]
    record = begin_attempt(folder, None, ["sh", "-c", f"{shlex.join(daemon)} & sleep 0.5"])
    write_record(folder, record.to("queued"))
    assert supervise(folder.path).returncode == 0
    pid = int(folder.training_log.read_text().splitlines()[-1])
    try:
        assert Identity.of(pid), "it has left the family, or there is nothing to be seen here"
        assert read_record(folder).attempts[-1].places
        assert all(place.is_free for place in list_places())
    finally:
        os.kill(pid, signal.SIGKILL)


def test_three_at_the_same_moment(folder):
    write_record(folder, begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)]))
    racing = [subprocess.Popen([*SUPERVISOR, folder.path]) for _ in range(3)]
    assert [process.wait(60) for process in racing] == [0] * 3
    assert read_record(folder).state == "completed"
    assert folder.training_log.read_text().count("=== Attempt") == 1


def test_one_that_was_sent_before_leaves_a_newer_start_alone(folder):
    """It was sent to write down a verdict and waited for the lock; meanwhile the run was resumed."""
    mine = dataclasses.replace(begin_attempt(folder, None, ["x"]), supervisor=Identity.of(os.getpid()))
    write_record(folder, mine)
    assert supervise(folder.path).returncode == BUSY
    assert read_record(folder) == mine
    assert not folder.training_log.exists()


@pytest.mark.parametrize("content", ["", "{", '{"version": 99}'])
def test_a_bad_record_is_not_touched(folder, content):
    folder.record.write_text(content)
    assert supervise(folder.path).returncode == NOTHING_TO_DO
    assert folder.record.read_text() == content


def test_attempt_line(folder):
    first = begin_attempt(folder, None, ["x"])
    _write_attempt_line(folder, first.attempts[-1])
    with folder.training_log.open("a") as log:
        log.write("cut in the mid")
    _write_attempt_line(folder, begin_attempt(folder, first, []).attempts[-1])
    lines = folder.training_log.read_text().splitlines()
    assert lines[0].startswith("=== Attempt 1, 2")
    assert lines[1] == "cut in the mid"
    assert lines[2].startswith("=== Attempt 2, 2")
    assert all(line.endswith(" ===") for line in lines[::2])
