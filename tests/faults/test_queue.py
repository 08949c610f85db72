"""Runs that wait for one place: whoever is killed, one trains at a time, and the next one starts with nobody watching.

Nothing here looks after a run unless it says so: status and record are only read."""

import itertools
import shutil
from pathlib import Path

import pytest

from fluxgym.run.care import Care
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after, stop_run
from fluxgym.run.queue import find_turn
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import steps_in
from trainer.folder import RunFolder

FIRST_FREE = Care()
TERM_ORDER = ("first", "second", "third")


@pytest.fixture(autouse=True)
def one_place(monkeypatch):
    """The CPU, as on a machine without a GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def queue(start_small, wait_until, tmp_path):
    """queue(*options): the first of three runs trains until <tmp_path>/go exists, the others wait; each ends after that."""

    def start(*options: str) -> list[RunFolder]:
        runs = []
        for name in TERM_ORDER:
            runs.append(start_small("--hold", str(tmp_path / "go"), *options, name=name, care=FIRST_FREE))
            wait_until(lambda run=runs[-1]: find_turn(run) or read_record(run).state == "running")
        wait_until(lambda: steps_in(runs[0]) == 5)
        assert [read_status(run).state for run in runs] == ["running", "queued", "queued"]
        return runs

    return start


def processes(folder: RunFolder) -> tuple[Identity, Identity | None]:
    record = read_record(folder)
    return record.supervisor, record.attempts[-1].training


def naps(process: Identity) -> int:
    """How often a process went to sleep: a supervisor that waits does so after each look."""
    [line] = [line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("voluntary")]
    return int(line.split()[1])


def is_completed(folder: RunFolder) -> bool:
    return read_record(folder).state == "completed"


def assert_one_at_a_time(runs: list[RunFolder]) -> None:
    spans = sorted((attempt.started, attempt.ended) for run in runs for attempt in read_record(run).attempts)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_one_after_the_other(queue, wait_until, tmp_path):
    runs = queue()
    turn = read_status(runs[2]).queue
    assert (turn.position, turn.total, turn.wish, turn.holder) == (2, 2, "the CPU", "first")
    (tmp_path / "go").touch()
    wait_until(lambda: all(map(is_completed, runs)), 40)
    assert_one_at_a_time(runs)
    assert [run.name for run in sorted(runs, key=lambda run: read_record(run).attempts[0].started)] == list(TERM_ORDER)


def test_the_holder_is_killed_and_the_next_starts(queue, killed, wait_until, tmp_path):
    runs = queue()
    for process in processes(runs[0]):
        killed(process)
    wait_until(lambda: steps_in(runs[1]) == 5)
    assert read_record(runs[2]).state == "queued"
    (tmp_path / "go").touch()
    wait_until(lambda: is_completed(runs[1]) and is_completed(runs[2]), 40)
    wait_until(lambda: read_status(runs[0]).state == "failed")


def test_a_training_whose_supervisor_was_killed_keeps_its_place(queue, killed, wait_until, tmp_path):
    """And when it ends, with nobody there to see it, the next one starts."""
    runs = queue()
    supervisor, training = processes(runs[0])
    killed(supervisor)
    looks = [naps(processes(run)[0]) for run in runs[1:]]
    wait_until(lambda: all(naps(processes(run)[0]) > before + 2 for run, before in zip(runs[1:], looks, strict=True)))
    assert [read_record(run).state for run in runs[1:]] == ["queued", "queued"]
    assert training.alive()
    (tmp_path / "go").touch()
    wait_until(lambda: is_completed(runs[1]) and is_completed(runs[2]), 40)
    wait_until(lambda: read_status(runs[0]).state == "completed")


def test_a_killed_supervisor_of_a_waiting_run_is_replaced_with_its_turn(queue, killed, wait_until, tmp_path):
    """By the run that ends before it, with nobody watching."""
    runs = queue()
    killed(processes(runs[1])[0])
    (tmp_path / "go").touch()
    wait_until(lambda: all(map(is_completed, runs)), 40)
    assert_one_at_a_time(runs)


def test_somebody_looks_at_a_waiting_run_whose_supervisor_was_killed(queue, killed, wait_until):
    runs = queue()
    killed(processes(runs[1])[0])
    assert look_after(runs[1]).state == "queued"
    wait_until(lambda: find_turn(runs[1]))
    assert [read_status(run).queue.position for run in runs[1:]] == [1, 2]


def test_all_of_them_are_killed(queue, killed, wait_until, tmp_path):
    """As by the out-of-memory killer in a container: whoever looks next sets everything going again."""
    runs = queue()
    for process in [*processes(runs[0]), processes(runs[1])[0], processes(runs[2])[0]]:
        killed(process)
    (tmp_path / "go").touch()
    for run in runs:
        look_after(run)
    wait_until(lambda: is_completed(runs[1]) and is_completed(runs[2]), 40)
    assert read_record(runs[0]).state == "failed"
    assert_one_at_a_time(runs[1:])


def test_a_waiting_run_is_taken_out(queue, wait_until, tmp_path):
    runs = queue()
    status = stop_run(runs[1], wait=20)
    assert (status.state, status.message) == ("stopped", "Removed from the queue before it began.")
    assert read_status(runs[2]).queue.position == 1
    (tmp_path / "go").touch()
    wait_until(lambda: is_completed(runs[2]), 40)
    assert not runs[1].training_log.exists()


def test_a_deleted_lock_of_a_place_brings_no_second_training(queue, wait_until, tmp_path):
    """As by a clean-up of temporary files: the holder makes it anew, also the tickets."""
    runs = queue()
    shutil.rmtree(tmp_path / "locks")
    wait_until(lambda: all(find_turn(run) for run in runs[1:]))
    assert [read_record(run).state for run in runs] == ["running", "queued", "queued"]
    (tmp_path / "go").touch()
    wait_until(lambda: all(map(is_completed, runs)), 40)
    assert_one_at_a_time(runs)
