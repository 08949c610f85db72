"""The monitor's log as numbers: what it wrote, in any pieces, of any age and length."""

from pathlib import Path

import pytest

from fluxgym.run.evidence import Evidence
from fluxgym.run.gpu import Gpu
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import begin_attempt
from fluxgym.view.health import MOST, Alert, Health, get_health, leave_out_words, read_evidence
from trainer.folder import RunFolder

WHEN = "2026-11-24 10:00:00"


def evidence(step, cpu=50, memory=1000):
    return (
        f"{WHEN} state running, health well, phase training, step {step:,}/9,000, last line 1 s ago, cpu {cpu}%, "
        f"memory 2,048 MiB in 3 processes, process state S, io 0.1 MiB/s, disk free 53.1 GiB, "
        f"gpu 0 use 98%, gpu 0 memory {memory:,}/24,576 MiB, gpu 0 power 61/350 W, gpu 0 temperature 71 C, gpu 0 throttled -\n"
    )


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "monitor.log").write_text(text)
        health = Health(tmp_path / "monitor.log")
        health.update()
        return health

    return read


def test_what_the_monitor_itself_writes_is_read(tmp_path):
    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    record = begin_attempt(folder, None, ["true"])
    gpus = (Gpu(1, "x", use=98, memory_used=23 * 2**30, memory_total=24 * 2**30, temperature=71), Gpu(3, "y"))
    Monitor(folder).note_evidence(record, Evidence(0.0, cpu=1.5, memory=2 * 2**30, processes=2, gpus=gpus))
    health = get_health(folder.monitor_log)
    assert health.last == {
        "cpu": 150, "memory": 2048, "gpu 1 use": 98, "gpu 1 memory": 23552, "gpu 1 temperature": 71
    }  # fmt: skip
    assert (health.totals, health.gpus()) == ({"gpu 1 memory": 24576}, [1])


def test_steps_values_peaks_and_what_is_not_known(read):
    health = read(evidence(10, memory=1000) + evidence(1010, memory=3000) + evidence(1020, memory=2000).replace("98%", "-"))
    assert [row.step for row in health.rows] == [10, 1010, 1020]
    assert [row.mean("gpu 0 memory") for row in health.rows] == [1000, 3000, 2000]
    assert health.rows[2].mean("gpu 0 use") is None
    assert (health.last["gpu 0 memory"], health.peaks["gpu 0 memory"]) == (2000, 3000)


def test_alerts_with_their_step(read):
    health = read(
        evidence(1200)
        + f"{WHEN} health stalled, at step 1,212: No step for 9 m.\n{WHEN} health well, at step 1,213\n"
        + f"{WHEN} health slow, before the first step\n{WHEN} failed: Out of GPU memory.\n"
    )
    assert health.alerts == [
        Alert(1212, "stalled", "No step for 9 m."),
        Alert(0, "slow", ""),
        Alert(1200, "failed", "Out of GPU memory."),
    ]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_same_in_pieces(tmp_path, size):
    whole = "".join(evidence(step, memory=step) for step in range(1, 20)) + f"{WHEN} failed: x\n"
    path = tmp_path / "monitor.log"
    path.write_text("")
    grown = Health(path)
    for at in range(0, len(whole), size):
        with path.open("a") as file:
            file.write(whole[at : at + size])
        grown.update()
    at_once = Health(path)
    at_once.update()
    assert (grown.rows, grown.alerts, grown.last) == (at_once.rows, at_once.alerts, at_once.last)


def test_a_long_run_keeps_few_rows_that_are_the_means_of_all(read):
    count = 10 * MOST + 7
    health = read("".join(evidence(step, memory=step) for step in range(1, count + 1)))
    assert len(health.rows) <= MOST
    assert sum(row.count for row in health.rows) == count
    assert {row.count for row in health.rows[:-1]} == {health.width}
    assert health.rows[-1].step == count
    total = sum(row.sums["gpu 0 memory"][0] for row in health.rows)
    assert total == count * (count + 1) / 2


def test_a_log_that_is_begun_anew(tmp_path, read):
    health = read(evidence(10) + evidence(20))
    (tmp_path / "monitor.log").write_text(f"{WHEN} failed: x\n")
    health.update()
    assert (health.rows, health.alerts) == ([], [Alert(0, "failed", "x")])


def test_lines_of_any_kind_are_no_evidence(read):
    junk = (
        f"\n{WHEN}\n{WHEN} state \nstate running, cpu 5%\n{WHEN} state x, cpu 1.2.3%, memory ,\n\0{WHEN} state\n" + "x" * 9999
    )
    health = read(junk)
    assert (health.last, health.alerts) == ({}, [])
    assert read_evidence("state running, cpu -, gpu 0 memory -").values == {}
    assert Health(health.path.parent / "none").gpus() == []


def test_alerts_without_their_words_keep_their_kinds_and_steps():
    health = Health(RunFolder(Path("a")).monitor_log, alerts=[Alert(3, "failed", "Killed at /srv/x")])
    assert leave_out_words(health).alerts == [Alert(3, "failed", "")]
