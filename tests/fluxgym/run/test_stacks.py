"""Where a training hangs: its own stacks where it answers, what the kernel knows of any."""

import subprocess
import sys
import time

import pytest

from fluxgym.run.family import Member
from fluxgym.run.identity import Identity, read_stat
from fluxgym.run.stacks import handles, write_stacks
from trainer.folder import RunFolder

ANSWERS = """
import faulthandler, signal, sys, time
faulthandler.register(signal.SIGUSR2, open(sys.argv[1], "a"), all_threads=True)
def hang():
    print("ready", flush=True)
    time.sleep(600)
hang()
"""
SILENT = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def start(tmp_path, wait_until):
    """start(code): a Python process that is ready and sleeps, as a member of a family."""
    started = []

    def begin(code: str) -> Member:
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "monitor.log"], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"ready\n"
        wait_until(lambda: read_stat(process.pid).state == "S")  # what it says is read before it sleeps
        return Member(Identity.of(process.pid), read_stat(process.pid))

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def told(tmp_path):
    """told(members, may_ask): what write_stacks makes of them."""

    def write(members: list[Member], may_ask: bool = True) -> str:
        log = tmp_path / "monitor.log"

        def note(line: str) -> None:
            with log.open("a") as file:
                file.write(f"{line}\n")

        write_stacks(RunFolder(tmp_path), members, note, may_ask)
        return log.read_text()

    return write


def test_a_trainer_that_answers(start, told):
    member = start(ANSWERS)
    began = time.monotonic()
    said = told([member])
    assert "in hang" in said
    assert time.monotonic() - began < 4  # it does not wait for more than there is
    assert f"stack: process {member.identity.pid} (" in said
    assert "state S" in said
    assert "; threads: 1 S" in said
    assert member.identity.alive()


def test_who_has_no_handler_is_not_killed_by_the_question(start, told):
    member = start(SILENT)
    said = told([member])
    assert member.identity.alive()
    assert "SIGUSR2" not in said
    assert f"stack: process {member.identity.pid} (" in said


def test_a_stranger_is_never_asked(start, told):
    member = start(ANSWERS)  # to another program SIGUSR2 may mean anything
    assert "in hang" not in told([member], may_ask=False)
    assert "SIGUSR2" not in told([member], may_ask=False)


def test_one_that_cannot_answer(start, told, monkeypatch):
    monkeypatch.setattr("fluxgym.run.stacks.PATIENCE", 0.3)
    code = "import signal, sys, time; signal.signal(signal.SIGUSR2, lambda *_: None); " + SILENT
    assert "stack: no answer" in told([start(code)])


@pytest.mark.parametrize("made", ["py-spy", None])
def test_py_spy_tells_of_others_where_it_is(start, told, tmp_path, monkeypatch, made):
    folder = tmp_path / "bin"
    folder.mkdir()
    if made:
        spy = folder / made
        spy.write_text('#!/bin/sh\necho "spied with $@"\n')
        spy.chmod(0o755)
    member = start(SILENT)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    said = told([member], may_ask=False)
    assert (f"stack: spied with dump --nonblocking --pid {member.identity.pid}" in said) == bool(made)


def test_py_spy_that_hangs_is_given_up(start, told, tmp_path, monkeypatch):
    member = start(SILENT)
    spy = tmp_path / "py-spy"
    spy.write_text("#!/bin/sh\nexec sleep 60\n")
    spy.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("fluxgym.run.stacks.SPY_PATIENCE", 0.2)
    assert "timed out" in told([member], may_ask=False)


def test_who_is_gone(told):
    gone = Member(Identity(2**22 + 1, 1, "gone"), read_stat(1))
    assert "stack: process 4194305 ()" in told([gone])
    assert not handles(2**22 + 1, 12)


def test_handles(start):
    assert handles(start(ANSWERS).identity.pid, 12)
    assert not handles(start(SILENT).identity.pid, 12)
