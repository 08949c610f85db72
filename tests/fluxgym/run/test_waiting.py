"""Runs that wait their turn: real supervisors, each a process of its own, on a machine whose GPUs are told by the test."""

import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from fluxgym.run import places, supervise
from fluxgym.run.asking import move_run
from fluxgym.run.care import Care, read_care, write_care
from fluxgym.run.gpu import Gpu
from fluxgym.run.identity import Identity
from fluxgym.run.launch import (
    RunError,
    RunIsActive,
    RunIsNotActive,
    look_after,
    look_after_queued,
    resume_run,
    start_run,
    stop_run,
    wait_for_end,
)
from fluxgym.run.places import CPU, Holding
from fluxgym.run.queue import Turn, tickets_folder
from fluxgym.run.record import begin_attempt, read_record, write_record
from fluxgym.run.status import START_LIMIT, read_status
from tests.conftest import SMALL_TRAINING
from trainer.folder import RunFolder

GIB = 2**30
ANY = Care(place="auto")
TWO = (Gpu(0, "GPU-aa", memory_used=GIB, memory_total=24 * GIB), Gpu(1, "GPU-bb", memory_used=GIB, memory_total=24 * GIB))


@pytest.fixture
def hold(tmp_path):
    """Options of a training that does not end before release(name)."""
    return lambda name: ("--hold", str(tmp_path / f"go-{name}"))


@pytest.fixture
def release(tmp_path):
    return lambda name: (tmp_path / f"go-{name}").touch()


@pytest.fixture
def start_on(outputs, tmp_path, monkeypatch, hold):
    """start_on(name, place): a run under a forked supervisor for which there are the GPUs in the file gpus.json."""
    told = tmp_path / "gpus.json"

    def list_gpus():
        return [Gpu(**said | {"processes": tuple(said["processes"])}) for said in json.loads(told.read_text())]

    def tell(*gpus):
        told.with_suffix(".new").write_text(json.dumps([dataclasses.asdict(gpu) for gpu in gpus]))
        told.with_suffix(".new").rename(told)

    tell(*TWO)
    monkeypatch.setattr(places, "list_gpus", list_gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    children = []

    def start(name, place="auto", *options):
        folder = RunFolder(outputs / name)
        folder.path.mkdir()
        write_care(folder, Care(place=place))
        command = [sys.executable, str(SMALL_TRAINING), str(folder.path), *(options or hold(name))]
        write_record(folder, begin_attempt(folder, None, command).to("queued"))
        if (pid := os.fork()) == 0:
            try:
                os.setsid()
                supervise.main([str(folder.path)])
            finally:  # whatever happens it is no second pytest
                os._exit(0)
        children.append(pid)
        return folder

    start.tell = tell
    yield start
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def start_all(start_small, hold, wait_until):
    """start_all("abc"): runs for the same place; the first runs, the others wait in this order."""

    def start(names):
        folders = []
        for name in names:
            folders.append(start_small(*hold(name), name=name, care=ANY))
            wait_until(lambda: read_status(folders[-1]).queue if folders[1:] else state(folders[-1]) == "running")
        return folders

    return start


def state(folder):
    return read_status(folder).state


def test_one_after_the_other(start_all, release, wait_until):
    first, second, third = start_all("abc")
    assert read_status(first).places == ["CPU"]
    assert read_status(third).queue == Turn(2, 2, "the CPU", "a", before="b")
    assert read_status(second).queue == Turn(1, 2, "the CPU", "a")
    assert not second.training_log.exists()
    for name, folder, after in (("a", first, second), ("b", second, third)):
        release(name)
        assert wait_for_end(folder, 20).state == "completed"
        wait_until(lambda after=after: state(after) == "running")
    release("c")
    assert wait_for_end(third, 20).state == "completed"
    assert list(tickets_folder().iterdir()) == []
    assert CPU.is_free


def test_no_turn_is_needed_where_none_is_wanted(start_small, hold, wait_until):
    first, second = (start_small(*hold(name), name=name) for name in "ab")
    wait_until(lambda: state(first) == state(second) == "running")
    assert read_status(first).places == []


def test_a_waiting_run_is_removed_by_a_stop(start_all, release):
    _, second = start_all("ab")
    with pytest.raises(RunIsActive, match="b is under way already: queued"):
        resume_run(second)
    status = stop_run(second, wait=20)
    assert (status.state, status.message) == ("stopped", "Removed from the queue before it began.")
    assert status.can_restart
    assert not second.training_log.exists()
    assert list(tickets_folder().iterdir()) == []
    assert resume_run(second).state == "queued"
    release("a")
    release("b")
    assert wait_for_end(second, 20).state == "completed"


def test_a_shutdown_leaves_it_in_the_queue(start_all, release, wait_until):
    _, second, third = start_all("abc")
    supervisor = read_record(second).supervisor
    supervisor.signal(signal.SIGTERM)
    wait_until(lambda: not supervisor.alive())
    status = read_status(second)
    assert (status.state, status.is_active, status.needs_supervisor, status.queue) == ("queued", True, True, None)
    assert read_status(third).queue.position == 1
    look_after(second)
    wait_until(lambda: read_status(second).queue)
    assert read_status(second).queue.position == 1, "it has its old turn"
    for name in "abc":
        release(name)
    assert wait_for_end(third, 20).state == "completed"


def test_one_whose_supervisor_was_killed_can_be_stopped_and_moved(start_all, wait_until):
    _, second, third = start_all("abc")
    for folder in (second, third):
        supervisor = read_record(folder).supervisor
        supervisor.signal(signal.SIGKILL)
        wait_until(lambda supervisor=supervisor: not supervisor.alive())
    with pytest.raises(RunError, match="c is just getting into the line"):
        move_run(third, "first")
    assert stop_run(second, wait=20).message == "Removed from the queue before it began."
    wait_until(lambda: read_status(third).queue)
    assert move_run(third, "first").queue.position == 1, "it is there already"


def test_nobody_needs_to_watch(start_all, release, wait_until):
    """The supervisor of the second is killed while it waits: that of the first sends another one when it is done."""
    first, second = start_all("ab")
    supervisor = read_record(second).supervisor
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive())
    release("a")
    release("b")
    wait_until(lambda: read_record(second).state == "completed")
    assert read_record(first).state == "completed"


def test_of_a_run_in_another_outputs_root_too(start_small, hold, release, wait_until, tmp_path, monkeypatch):
    first = start_small(*hold("a"), name="a", care=ANY)
    wait_until(lambda: state(first) == "running")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("FLUXGYM_OUTPUTS", str(elsewhere))
    second = RunFolder(elsewhere / "a")
    second.path.mkdir()
    start_run(second, [sys.executable, str(SMALL_TRAINING), str(second.path)], care=ANY)
    wait_until(lambda: read_status(second).queue == Turn(1, 1, "the CPU", "a"))
    read_record(second).supervisor.signal(signal.SIGKILL)
    release("a")
    wait_until(lambda: read_record(second).state == "completed")


def test_a_reboot_does_not_lose_what_is_queued(start_all, wait_until):
    first, second = start_all("ab")
    for folder in (first, second):
        read_record(folder).supervisor.signal(signal.SIGKILL)
    read_record(first).attempts[-1].training.signal(signal.SIGKILL)
    wait_until(lambda: CPU.is_free)
    shutil.rmtree(places.locks_folder())
    record = read_record(second)
    old = dataclasses.replace(Identity.of(os.getpid()), boot_id="before")
    write_record(second, dataclasses.replace(record, supervisor=old, since=time.time() - START_LIMIT - 1))
    assert state(second) == "queued"
    look_after_queued()
    wait_until(lambda: state(second) == "running")


def test_the_gpu_of_a_training_whose_supervisor_was_killed_stays_taken(start_all, release, wait_until):
    first, second = start_all("ab")
    supervisor = read_record(first).supervisor
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive())
    assert not CPU.is_free
    look_after(first)
    wait_until(lambda: read_record(first).supervisor != supervisor)
    assert read_status(second).queue == Turn(1, 1, "the CPU", "a")
    release("a")
    assert wait_for_end(first, 20).state == "completed"
    wait_until(lambda: state(second) == "running")


@pytest.mark.parametrize("deleted", ["tickets", "locks"])
def test_deleted_while_they_wait(start_all, release, wait_until, deleted):
    _, second, third = start_all("abc")
    shutil.rmtree(tickets_folder() if deleted == "tickets" else places.locks_folder())
    wait_until(lambda: read_status(third).queue == Turn(2, 2, "the CPU", "a", before="b"))
    assert (state(second), state(third)) == ("queued", "queued")
    for name in "abc":
        release(name)
    assert wait_for_end(third, 20).state == "completed"


def test_a_deleted_run_leaves_the_line(start_all, release, wait_until):
    _, second, third = start_all("abc")
    supervisor = read_record(second).supervisor
    shutil.rmtree(second.path)
    wait_until(lambda: not supervisor.alive())
    assert read_status(third).queue.position == 1
    release("a")
    wait_until(lambda: state(third) == "running")
    assert not second.path.exists()


def test_the_order_is_a_persons(start_all, release, wait_until):
    first, second, third = start_all("abc")
    assert move_run(third, "first").queue.position == 1
    assert move_run(third, 1).queue.position == 2
    assert move_run(third, -1).queue.position == 1
    with pytest.raises(RunIsNotActive, match="a does not wait in the queue, it is running"):
        move_run(first, 1)
    release("a")
    wait_until(lambda: state(third) == "running")
    assert state(second) == "queued"


def test_a_change_of_mind_while_it_waits(start_all, wait_until):
    first, second = start_all("ab")
    write_care(second, Care(place="none"))
    wait_until(lambda: state(second) == "running")
    assert state(first) == "running"
    assert list(tickets_folder().iterdir()) == []


def test_a_gpu_that_is_not_there(start_small, wait_until, outputs):
    with pytest.raises(RunError, match="place: got GPU 7, expected some of the GPUs there are: none that can be listed here"):
        start_small(care=Care(place="7"))
    folder = RunFolder(outputs / "small")
    assert read_record(folder) is None
    record = begin_attempt(folder, None, ["x"]).to("queued")
    write_record(folder, dataclasses.replace(record, since=record.since - START_LIMIT - 1))
    look_after(folder)
    wait_until(lambda: read_record(folder).state == "failed")
    assert read_status(folder).message.startswith("There is no place for it: got GPU 7, expected")


# ---- on a machine with two GPUs --------------------------------------------------------------------------------------
def variables(folder):
    pid = read_record(folder).attempts[-1].training.pid
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    return dict(line.split(b"=", 1) for line in environment.split(b"\0") if b"=" in line)


def test_two_gpus_work_side_by_side(start_on, release, wait_until):
    first = start_on("a")
    wait_until(lambda: state(first) == "running")
    second = start_on("b")
    wait_until(lambda: state(second) == "running")
    assert (read_status(first).places, read_status(second).places) == (["GPU 0"], ["GPU 1"])
    assert [variables(folder)[b"CUDA_VISIBLE_DEVICES"] for folder in (first, second)] == [b"GPU-aa", b"GPU-bb"]
    third = start_on("c", "1")
    wait_until(lambda: read_status(third).queue == Turn(1, 1, "GPU 1", "b"))
    release("b")
    wait_until(lambda: state(third) == "running")
    assert read_status(third).places == ["GPU 1"]


def test_both_at_once(start_on, release, wait_until):
    first = start_on("a", "1")
    wait_until(lambda: state(first) == "running")
    both = start_on("both", "0,1")
    wait_until(lambda: read_status(both).queue)
    late = start_on("late")
    wait_until(lambda: read_status(late).queue)
    assert read_status(both).queue == Turn(1, 2, "GPU 0 and GPU 1", "a")
    release("a")
    wait_until(lambda: state(both) == "running")
    assert variables(both)[b"CUDA_VISIBLE_DEVICES"] == b"GPU-aa,GPU-bb"
    assert state(late) == "queued"


def test_a_gpu_that_another_program_fills(start_on, wait_until):
    filled = dataclasses.replace(TWO[0], memory_used=20 * GIB)
    start_on.tell(filled, TWO[1])
    folder = start_on("a", "0")
    told = "Another program uses 20.0 of 24.0 GiB of GPU 0."
    wait_until(lambda: read_status(folder).queue == Turn(1, 1, "GPU 0", "", told))
    other = start_on("b")
    wait_until(lambda: state(other) == "running")
    assert read_status(other).places == ["GPU 1"], "the first free one is passed over"
    start_on.tell(*TWO)
    wait_until(lambda: state(folder) == "running")


def test_a_gpu_that_vanishes_while_it_is_waited_for(start_on, release, wait_until):
    first = start_on("a", "1")
    wait_until(lambda: state(first) == "running")
    second = start_on("b", "1")
    wait_until(lambda: read_status(second).queue)
    start_on.tell(TWO[0])
    release("a")
    wait_until(lambda: read_record(second).state == "failed")
    assert read_status(second).message == "There is no place for it: GPU 1 is not there any more."


def test_the_choice_is_kept(start_small, hold):
    folder = start_small(*hold("a"), care=ANY)
    assert read_care(folder) == ANY
    assert Holding(folder).places == []


@pytest.mark.parametrize("place", ["auto", "0"])
def test_a_driver_that_is_silent_is_waited_for(start_on, monkeypatch, release, wait_until, place):
    """It must not pass for a machine without a GPU: the training would have found the GPU, and taken it from another."""
    monkeypatch.setattr(places, "has_device", lambda: True)
    start_on.tell()
    folder = start_on("a", place)
    wait_until(lambda: read_status(folder).queue)
    assert read_status(folder).queue.blocked_by.startswith("The driver of the GPU does not answer")
    assert not folder.training_log.exists()
    start_on.tell(*TWO)
    wait_until(lambda: state(folder) == "running")
    assert read_status(folder).places == ["GPU 0"]
    assert folder.monitor_log.read_text().count("it waits: The driver of the GPU does not answer") == 1
    release("a")
    wait_until(lambda: state(folder) == "completed")
