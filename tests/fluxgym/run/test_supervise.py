"""The supervisor by itself: started by hand, twice, for nothing; its attempt line; its size. Faults: tests/faults."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fluxgym.run import lock
from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.identity import Identity, boot_id, host_name
from fluxgym.run.places import list_places
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.supervise import BUSY, NOTHING_TO_DO, _write_attempt_line
from tests.fluxgym.run.hosts import there
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


def test_what_was_put_back_and_is_to_stop_does_not_go_on(folder, monkeypatch):
    """Its person said so while it waited for another node, and the cluster was silent."""
    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    write_record(folder, record.to("running", backend="slurm", job="7", training=there("n1", 7)))
    folder.stop_now.touch()
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert supervise(folder.path).returncode == 0
    found = read_record(folder)
    assert (found.state, len(found.attempts), found.attempts[0].stop) == ("stopped", 1, "person")


def test_what_goes_on_by_itself_hears_a_wish_that_came_while_what_was_left_ended(folder, wait_until):
    """By file alone, as from another machine: it was taken for one that had come too late."""
    write_care(folder, Care(place=NONE, resume_after_crash=True))
    command = [sys.executable, "tests/small_training.py", str(folder.path), "--state-at", "2", "--end-at", "3"]
    write_record(folder, begin_attempt(folder, None, [*command, "--code", "1", "--child"]))
    process = subprocess.Popen([*SUPERVISOR, str(folder.path)])
    wait_until(lambda: folder.monitor_log.exists() and "left behind" in folder.monitor_log.read_text())
    folder.stop_now.touch()
    assert process.wait(60) == 0
    found = read_record(folder)
    assert (found.state, len(found.attempts), found.attempts[0].stop) == ("failed", 1, "person")
    assert not folder.stop_now.exists()


def test_a_supervisor_that_comes_later_ends_what_is_left_on_other_nodes_too(folder, tmp_path, monkeypatch):
    """Where all on the first node were killed: the next attempt would wait for the old step without a word."""
    (tmp_path / "squeue").write_text(
        f"#!/bin/sh\n[ -e {tmp_path}/cancelled ] || echo 7.0 fluxgym-training\necho 7.batch batch\n"
    )
    (tmp_path / "scancel").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/cancelled\n')
    for name in ("squeue", "scancel"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    gone = Identity(2**22 + 1, 1, boot_id(), host_name())
    record = begin_attempt(folder, None, []).to("running", backend="slurm", job="7", training=gone)
    write_record(folder, dataclasses.replace(record, supervisor=gone))
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    assert supervise(folder.path).returncode == 0
    assert (tmp_path / "cancelled").read_text() == "7.0\n"


def test_what_was_killed_with_its_supervisor_inside_a_job_is_judged_there(folder, monkeypatch):
    """By the supervisor that the job's script starts next; Slurm says that the job runs, and it is that of nobody else."""
    gone = Identity(2**22 + 1, 1, boot_id(), host_name())
    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    record = record.to("running", backend="slurm", job="7", training=gone)
    write_record(folder, dataclasses.replace(record, supervisor=gone))
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    assert supervise(folder.path).returncode == 0
    assert read_record(folder).state == "failed"


@pytest.mark.parametrize(
    ("announced", "is_put_back"), [("", True), ("*** JOB 7 ON n1 CANCELLED AT 2026-11-28T23:36:04 ***", False)]
)
def test_what_pauses_in_a_job_that_ends_waits_in_the_next_one(
    folder, tmp_path, monkeypatch, wait_until, announced, is_put_back
):
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    record = dataclasses.replace(record.to("queued", backend="slurm", job="7"), resumes_at=time.time() + 600)
    write_record(folder, record)
    folder.monitor_log.write_text(f"{announced}\n")
    process = subprocess.Popen([*SUPERVISOR, str(folder.path)])
    wait_until(lambda: read_record(folder).supervisor)
    process.send_signal(signal.SIGXCPU)
    assert process.wait(60) == 0
    assert ("requeue 7" in (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else False) == is_put_back
    found = read_record(folder)
    assert (found.state, found.supervisor is None) == ("queued", is_put_back)


@pytest.mark.parametrize("job", ["", "7"])
def test_a_job_ends_once_its_end_was_told(folder, tmp_path, monkeypatch, wait_until, job):
    """Where a job's processes are known by their cgroup, all that is left when its script ends is killed."""
    asked, told = threading.Event(), []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.wait(60)
            told.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    write_record(folder, record.to("queued", backend="slurm" if job else "local", job=job))
    monkeypatch.setenv("FLUXGYM_JOB", job)
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("FLUXGYM_NOTIFY", f"json://127.0.0.1:{server.server_port}")
        process = subprocess.Popen([*SUPERVISOR, str(folder.path)])
        wait_until(lambda: read_record(folder).state == "completed")
        if job:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
        else:
            assert process.wait(60) == 0, "nobody waits for it here"
        asked.set()
        assert process.wait(60) == 0
        wait_until(lambda: told)
        server.shutdown()


@pytest.mark.parametrize(("told", "who"), [("USR1", "person"), ("USR2 XCPU", "system")])
def test_what_its_script_was_told_before_it_was_up_it_hears(folder, monkeypatch, told, who):
    command = [sys.executable, "tests/small_training.py", str(folder.path), "--steps", "20000"]
    write_record(folder, begin_attempt(folder, None, command))
    monkeypatch.setenv("FLUXGYM_TOLD", told)
    assert supervise(folder.path).returncode == 0
    found = read_record(folder)
    assert (found.state, found.attempts[0].stop) == ("stopped", who)


def test_a_job_that_begins_before_its_id_is_written_down_waits_for_that(folder, monkeypatch):
    """Another supervisor submitted it, where no lock reaches from there."""
    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    record = record.to("queued", backend="slurm", job="7")
    write_record(folder, record)
    monkeypatch.setenv("FLUXGYM_JOB", "8")
    process = subprocess.Popen([*SUPERVISOR, str(folder.path)])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    write_record(folder, record.to("queued", job="8"))
    assert process.wait(60) == 0
    assert read_record(folder).state == "completed"


def test_a_wish_to_stop_that_waits_for_a_job_is_heard_before_the_training_starts(folder, monkeypatch):
    record = begin_attempt(folder, None, [sys.executable, "tests/small_training.py", str(folder.path)])
    write_record(folder, record.to("queued", backend="slurm", job="7"))
    folder.stop_now.touch()
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    assert supervise(folder.path).returncode == 0
    assert read_record(folder).verdict.message == "Removed from the queue before it began."
    assert not folder.training_log.exists()
