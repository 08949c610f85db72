"""monitor.log: what the supervisor saw, one line at a time."""

import os
import re
import subprocess
import sys

import pytest

from fluxgym.run.family import Member
from fluxgym.run.gpu import Gpu
from fluxgym.run.identity import Identity, read_stat
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import Attempt, Record
from tests.fluxgym.log.rotated import move
from trainer.folder import RunFolder

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
STEP = "steps:  10%|#| 4/40 [00:01<00:27, 11.00it/s, loss=0.9, avr_loss=0.9, lr=2e-04]\n"


def member(pid: int) -> Member:
    return Member(Identity.of(pid), read_stat(pid))


@pytest.fixture
def attempt():
    return Attempt(1, 0.0, ["train"], training=Identity.of(os.getpid()))


@pytest.fixture
def record(attempt):
    return Record("a", 0.0, ["train"], "running", 0.0, attempts=[attempt])


@pytest.fixture
def monitor(tmp_path):
    (tmp_path / "training.log").write_text(STEP)
    monitor = Monitor(RunFolder(tmp_path))
    monitor.history.update()
    return monitor


def work(path):
    sum(number * number for number in range(1_000_000))
    for _ in range(8):
        path.write_bytes(bytes(2**20))


def test_evidence(monitor, record, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "fluxgym.run.monitor.list_gpus", lambda: [Gpu(0, "GPU-a", use=98, memory_used=2**30, memory_total=2**34)]
    )
    family = [member(os.getpid())]
    monitor.note_evidence(record, monitor.gather(record.attempts[-1], family))
    work(tmp_path / "file")
    monitor.note_evidence(record, monitor.gather(record.attempts[-1], [member(os.getpid())]))
    first, second = (tmp_path / "monitor.log").read_text().splitlines()
    pattern = (
        TIME + r"state running, health well, phase training, step 4/40, last line \d+ s ago, cpu CPU, "
        r"memory [\d,]+ MiB in 1 processes, process state [A-Z]+, io IO, disk free [\d,.]+ GiB, "
        r"gpu 0 use 98%, gpu 0 memory 1,024/16,384 MiB, gpu 0 power -, gpu 0 temperature -, gpu 0 throttled -"
    )
    assert re.fullmatch(pattern.replace("CPU", "-").replace("IO", "-"), first)
    assert re.fullmatch(pattern.replace("CPU", r"\d+%").replace("IO", r"[\d,]+\.\d MiB/s"), second)
    assert "cpu 0%" not in second
    assert " io 0.0 " not in second


def test_what_was_moved_and_computed(monitor, attempt, tmp_path):
    monitor.gather(attempt, [member(os.getpid())])
    work(tmp_path / "file")
    seen = monitor.gather(attempt, [member(os.getpid())])
    assert seen.moved >= 8 * 2**20
    assert seen.cpu > 0.3
    assert monitor.gather(attempt, []).moved == 0  # one that ended is not counted backwards
    assert seen.last_line.startswith("steps:  10%")


def test_nothing_known_is_a_dash(tmp_path):
    monitor = Monitor(RunFolder(tmp_path))
    attempt = Attempt(1, 0.0, ["train"], training=Identity(2**22 + 1, 1, "gone"))
    record = Record("a", 0.0, ["train"], "running", 0.0, attempts=[attempt])
    monitor.note_evidence(record, monitor.gather(attempt, []))
    line = (tmp_path / "monitor.log").read_text()
    assert "phase -, step -, last line -, cpu -, memory 0 MiB in 0 processes, process state -, io -" in line


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path, capsys):
    Monitor(RunFolder(tmp_path / "gone")).note("x")
    assert "monitor.log cannot be written" in capsys.readouterr().out


def test_whether_the_log_that_is_read_is_the_one_that_is_written(tmp_path):
    monitor, log = Monitor(RunFolder(tmp_path)), tmp_path / "training.log"
    with log.open("ab") as file:
        training = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=file)
    attempt = Attempt(1, 0.0, ["train"], training=Identity.of(training.pid))
    assert monitor.gather(attempt, []).log_is_read
    part = move(log, 1)
    assert monitor.gather(attempt, []).log_is_read  # also while there is no new one
    log.write_text("")
    assert monitor.gather(attempt, []).log_is_read
    log.unlink()
    part.rename(tmp_path / "elsewhere")
    assert not monitor.gather(attempt, []).log_is_read
    log.write_text("")
    assert not monitor.gather(attempt, []).log_is_read
    training.communicate(b"\n")
    assert monitor.gather(attempt, []).log_is_read  # nothing is known of one that is gone


@pytest.mark.parametrize(
    ("places", "family", "seen", "strangers"),
    [
        (["GPU 1"], {5}, ["b"], []),
        (["GPU 0", "GPU 1"], {5}, ["a", "b"], [(7, 2)]),
        ([], {5}, ["a"], [(7, 2)]),
        ([], {6}, ["a", "b"], []),  # its pids are not seen there: it may be in another container
        (["CPU"], {5}, [], []),
    ],
)
def test_the_gpus_of_a_run(monitor, attempt, monkeypatch, places, family, seen, strangers):
    gpus = [Gpu(0, "a", processes=((5, 1), (7, 2))), Gpu(1, "b", processes=((8, 3),))]
    monkeypatch.setattr("fluxgym.run.monitor.list_gpus", lambda: gpus)
    attempt = Attempt(1, 0.0, ["train"], training=None, places=places)
    stat = read_stat(os.getpid())
    told = monitor.gather(attempt, [Member(Identity(pid, 1, "boot"), stat) for pid in family])
    assert [gpu.uuid for gpu in told.gpus] == seen
    assert list(told.others) == strangers
