"""Telling spawns a process of its own, only where somebody wants to be told, and never gets in the way."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxgym.run import tell
from fluxgym.run.care import Care, write_care
from fluxgym.run.family import ATTEMPT_MARK, MARK, find_family, mark
from fluxgym.run.folders import PROJECT
from trainer.folder import RunFolder

# stands where Python would: writes down how it was started
RECORDER = """#!{python}
import json, os, signal, sys
said = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "session": os.getsid(0) == os.getpid(), "environment": dict(os.environ)}}
said["handles"] = [os.readlink(f"/proc/self/fd/{{number}}") for number in (0, 1, 2)]
open("{report}.new", "w").write(json.dumps(said))
os.rename("{report}.new", "{report}")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUXGYM_NOTIFY_FILE", str(tmp_path / "notify.json"))
    monkeypatch.delenv("FLUXGYM_NOTIFY", raising=False)
    path = tmp_path / "small"
    path.mkdir()
    return RunFolder(path)


@pytest.fixture
def report(tmp_path, monkeypatch) -> Path:
    """Where the process that is spawned writes down how it was started."""
    path, recorder = tmp_path / "report.json", tmp_path / "recorder"
    recorder.write_text(RECORDER.format(python=sys.executable, report=path))
    recorder.chmod(0o755)
    monkeypatch.setattr(tell.sys, "executable", str(recorder))
    return path


def test_spawns_the_sender_in_a_session_of_its_own(folder, report, wait_until, monkeypatch, tmp_path):
    (tmp_path / "notify.json").write_text("{}")
    monkeypatch.setenv(MARK, mark(folder))
    monkeypatch.setenv(ATTEMPT_MARK, "1")
    before = {member.identity for member in find_family(folder)}
    tell.tell(folder, "failed")
    wait_until(report.exists)
    said = json.loads(report.read_text())
    assert said["argv"] == ["-m", "fluxgym.notify", str(folder.path), "failed"]
    assert (said["cwd"], said["session"], said["handles"]) == (str(PROJECT), True, ["/dev/null"] * 3)
    assert {MARK, ATTEMPT_MARK} & set(said["environment"]) == set()
    assert {member.identity for member in find_family(folder)} == before


def test_services_of_the_environment_are_services(folder, report, wait_until, monkeypatch):
    assert not tell.has_services()
    monkeypatch.setenv("FLUXGYM_NOTIFY", "json://localhost")
    tell.tell(folder, "completed")
    wait_until(report.exists)


def test_nothing_is_spawned_for_nobody(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "Popen", None)  # calling it would be noted
    tell.tell(folder, "completed")
    (tmp_path / "notify.json").write_text("{}")
    write_care(folder, Care(notify=False))
    tell.tell(folder, "completed")
    assert not folder.monitor_log.exists()
    write_care(folder, Care())
    tell.tell(folder, "completed")
    assert "no notification of completed: TypeError" in folder.monitor_log.read_text()


def test_whatever_is_wrong_raises_nothing(folder, monkeypatch, tmp_path):
    (tmp_path / "notify.json").write_text("{}")
    monkeypatch.setattr(tell.sys, "executable", str(tmp_path / "gone"))
    tell.tell(folder, "failed")
    assert "no notification of failed: FileNotFoundError" in folder.monitor_log.read_text()
    monkeypatch.setenv("FLUXGYM_NOTIFY_FILE", "~nobody-of-this-name/x")
    tell.tell(folder, "failed")
    tell.tell(RunFolder(tmp_path / "gone"), "failed")


def test_a_sender_that_ended_is_no_zombie(folder, report, wait_until, monkeypatch, tmp_path):
    (tmp_path / "notify.json").write_text("{}")
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: started.append(popen(*args, **options)) or started[0])
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # as a supervisor does
    tell.tell(folder, "failed")
    wait_until(lambda: not Path(f"/proc/{started[0].pid}").exists())
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def test_where_the_services_are_kept(monkeypatch):
    monkeypatch.delenv("FLUXGYM_NOTIFY_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/settings")
    assert tell.services_file() == Path("/settings/fluxgym/notify.json")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert tell.services_file() == Path("/home/somebody/.config/fluxgym/notify.json")
