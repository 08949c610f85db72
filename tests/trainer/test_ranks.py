"""Processes that are one training: they stop together, and when one is lost its last words are the last in the log."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.folder import RunFolder
from trainer.ranks import LEFT_ALONE, is_left_alone

HOST = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
ROOT = Path(__file__).parent.parent.parent
TOGETHER = """
import os, sys
from trainer import ranks
from trainer.ranks import run_together
ranks.GRACE, ranks.HELD, ranks.LOOK_EVERY = 1.0, 0.3, 0.1
commands = [(rank, [sys.executable, "-c", said], os.environ) for rank, said in enumerate(sys.argv[1:])]
sys.exit(run_together(commands, len(commands)))
"""
WAITS = "import signal; print('ready', flush=True); signal.pause()"
SAVES = """
import signal, sys, time
def leave(*_):
    time.sleep(0.5)
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def together(tmp_path, wait_until):
    """together(*programs): (process, log) of the processes started together, each of which runs its program."""
    started = []

    def start(*programs, ready=0):
        log = tmp_path / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", TOGETHER, *programs], cwd=ROOT, stdout=file, stderr=file, start_new_session=True
            )
        started.append(process)
        wait_until(lambda: log.read_text().count("ready") >= ready, 60)
        return process, log

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def words(log):
    """Its lines without their times."""
    return [line[20:] if line[:4].isdigit() else line for line in log.read_text().splitlines()]


def test_all_are_well(together):
    process, log = together("print('first')", "print('second')")
    assert process.wait(60) == 0
    assert sorted(words(log)) == ["[rank1]: second", "first"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_reaches_all_and_waits_until_all_have_saved(together, number):
    process, log = together(SAVES, SAVES, ready=2)
    process.send_signal(number)
    process.send_signal(number)
    assert process.wait(60) == 143
    assert sorted(words(log)) == ["[rank1]: ready", "[rank1]: saved", "ready", "saved"]


def test_a_stop_before_anything_listens(together):
    process, _ = together(WAITS, WAITS, ready=2)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143


def test_a_stop_before_anything_listens_on_another_machine(tmp_path, wait_until):
    """srun passes the signal on, a process that is still starting dies of it, and srun's exit code tells that."""
    apart = """
import signal, sys
from trainer.ranks import run_apart
said = "import signal, sys; signal.signal(10, lambda *_: sys.exit(138)); print('ready', flush=True); signal.pause()"
sys.exit(run_apart([sys.executable, "-c", said], signal.SIGUSR1))
"""
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", apart], cwd=ROOT, stdout=file, stderr=file)
    wait_until(lambda: "ready" in log.read_text(), 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert words(log) == ["ready"]


def test_one_that_waits_for_one_that_left_is_ended_without_a_word(together):
    """As before the first step, where nothing is to be saved and some library waits deaf."""
    waits = (
        "import signal; signal.signal(signal.SIGTERM, lambda *_: print('where is it', flush=True)); print('ready', flush=True)"
    )
    process, log = together(WAITS, f"{waits}\nwhile True: signal.pause()", ready=2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert sorted(words(log)) == ["[rank1]: ready", "ready"]


def test_what_is_started_lives_through_the_signal_that_srun_sends_to_all(together):
    process, log = together(SAVES, SAVES, ready=2)
    os.killpg(process.pid, signal.SIGUSR1)
    assert process.wait(60) == 143
    assert words(log).count("saved") == 1


def test_one_that_is_killed_is_named_and_heard_last(together):
    """The first one waits for it in vain, for ever: it is ended too."""
    lost = "import os, signal; print('my last words', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    process, log = together(WAITS, lost)
    assert process.wait(60) == 1
    last = f"ERROR Rank 1 of 2, on {HOST}, was killed by signal 9 (SIGKILL)"
    assert words(log)[-2:] == ["[rank1]: my last words", last]


def test_what_others_say_for_want_of_the_lost_one_is_not_its_end(together):
    alone = f"import time, sys; time.sleep(0.2); print('for want of it', flush=True); sys.exit({LEFT_ALONE})"
    process, log = together(alone, "import time; time.sleep(0.5); raise ValueError('mine')", alone)
    assert process.wait(60) == 1
    said = words(log)
    assert said[-2:] == [
        "[rank1]: ValueError: mine",
        f"Rank 1 of 3, on {HOST}, ended with exit code 1, and the others cannot go on without it",
    ]
    assert said.count("for want of it") == 1 and "[rank2]: for want of it" not in said


def test_what_it_says_goes_into_the_new_log_where_the_old_one_was_moved(together, tmp_path, monkeypatch):
    """By the first process, when it is full."""
    folder = RunFolder(tmp_path)
    monkeypatch.setenv("FLUXGYM_RUN", str(folder.path))
    process, log = together(WAITS, WAITS, ready=1)
    folder.old_logs.mkdir()
    log.rename(folder.log_part(1))
    folder.training_log.touch()
    (first, *_) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGKILL)
    assert process.wait(60) == 1
    assert "was killed by signal 9" in folder.training_log.read_text()


def test_what_is_wrong_for_all_alike_is_told_once(together):
    wrong = "import sys; print('ERROR bad setting', flush=True); sys.exit(2)"
    process, log = together(wrong, wrong)
    assert process.wait(60) == 2
    assert words(log) == ["ERROR bad setting"]


def test_what_the_others_say_does_not_wait_for_the_end(together):
    process, log = together(WAITS, WAITS, ready=2)
    assert process.poll() is None and "[rank1]: ready" in words(log)


def test_who_is_left_alone():
    gloo = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] "
    assert is_left_alone(RuntimeError(f"{gloo}Read error [127.0.0.1]:29577: Connection reset by peer."))
    assert is_left_alone(RuntimeError(f"{gloo}Connection closed by peer [10.0.0.2]:29577"))
    nccl = "NCCL error in: x.cpp:1, remote process exited or there was a network error, NCCL version 2.27"
    assert is_left_alone(type("DistBackendError", (RuntimeError,), {})(nccl))
    assert not is_left_alone(type("DistBackendError", (RuntimeError,), {})("NCCL error in: x.cpp:1, invalid usage"))
    assert not is_left_alone(RuntimeError("CUDA error: device-side assert triggered"))
