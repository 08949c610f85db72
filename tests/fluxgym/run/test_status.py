"""What is true of a run, from its folder alone; real processes are in tests/faults."""

import dataclasses
import os
import time

import pytest

from fluxgym.run import lock
from fluxgym.run.care import Care, write_care
from fluxgym.run.folders import opened_root
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after
from fluxgym.run.opened import remember
from fluxgym.run.places import CPU, Wish
from fluxgym.run.queue import Ticket
from fluxgym.run.record import AGAIN, MONITOR, Health, Verdict, begin_attempt, read_record, write_record
from fluxgym.run.status import START_LIMIT, read_status
from tests.small_training import write_state
from trainer.folder import RunFolder

ME = Identity.of(os.getpid())
GONE = Identity(2**22 + 1, 1, ME.boot_id)
OLD_BOOT = dataclasses.replace(GONE, boot_id="another boot")


@pytest.fixture
def folder(outputs):
    (outputs / "a").mkdir()
    return RunFolder(outputs / "a")


def write(folder, state, supervisor, training, since=None):
    record = begin_attempt(folder, None, ["x"]).to(state, training=training)
    write_record(folder, dataclasses.replace(record, supervisor=supervisor, since=since or record.since))


def test_foreign(folder):
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == (None, False, False)
    assert "no run.json" in status.message


def test_a_supervisor_without_a_record_is_starting(folder):
    with lock.hold(folder.lock, 0):
        assert read_status(folder).state == "starting"


@pytest.mark.parametrize("state", ["starting", "running", "stopping"])
def test_under_way(folder, state):
    write(folder, state, ME, ME)
    status = read_status(folder)
    assert (status.state, status.pid, status.is_active, status.needs_supervisor) == (state, os.getpid(), True, False)
    assert (status.attempt, status.resumable, status.failure) == (1, None, None)


def test_an_orphan_goes_on(folder):
    write(folder, "running", GONE, ME)
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == ("running", True, True)


def test_a_held_lock_means_alive_also_when_the_pids_are_of_another_container(folder):
    write(folder, "running", GONE, GONE)
    with lock.hold(folder.lock, 0):
        status = read_status(folder)
    assert (status.state, status.pid, status.is_active, status.needs_supervisor) == ("running", None, True, False)


def test_all_dead(folder):
    write(folder, "running", GONE, GONE)
    write_state(folder.path, 3)
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == ("failed", False, True)
    assert "Nobody saw its exit code" in status.message
    assert status.failure.message == status.message
    assert status.resumable.step == 3


def test_a_verdict_that_comes_while_we_look(folder, monkeypatch):
    """Nobody seems alive any more, because the supervisor has just written the verdict and left."""
    write(folder, "running", GONE, GONE)
    is_held = lock.is_held

    def settle_and_look(path) -> bool:
        record = read_record(folder)
        write_record(folder, record.to("failed", verdict=Verdict("failed", "why", "oom")))
        return is_held(path)

    monkeypatch.setattr(lock, "is_held", settle_and_look)
    status = read_status(folder)
    assert (status.message, status.failure.kind, status.needs_supervisor) == ("why", "oom", False)


def test_another_boot(folder):
    write(folder, "running", OLD_BOOT, dataclasses.replace(ME, boot_id="another boot"))
    folder.training_log.write_text("steps:  10%|#| 4/40 [00:01<00:27, 11.00it/s, loss=0.9, avr_loss=0.9, lr=2e-04]\n")
    write_state(folder.path, 3)
    status = read_status(folder)
    assert (status.state, status.step, status.total_steps, status.resumable.step) == ("lost", 4, 40, 3)
    assert status.message == "The machine restarted at step 4 of 40."
    assert os.getpid() == ME.pid  # and we were not harmed


def test_a_start_that_never_came_up(folder):
    write(folder, "starting", None, None)
    assert read_status(folder).state == "starting"
    write(folder, "starting", None, None, since=time.time() - START_LIMIT - 1)
    status = read_status(folder)
    assert status.state == "failed"
    assert "did not come up within 60 s" in status.message
    write(folder, "starting", GONE, None)
    assert "died before the training started" in read_status(folder).message


def test_ended(folder):
    record = begin_attempt(folder, None, ["x"])
    write_state(folder.path, 3)
    for verdict in (
        Verdict("failed", "why", "oom", [], 3, 9, ["x"]),
        Verdict("stopped", "by you"),
        Verdict("completed", "all"),
    ):
        write_record(folder, record.to(verdict.state, verdict=verdict))
        status = read_status(folder)
        assert (status.state, status.message, status.is_active, status.needs_supervisor) == (
            verdict.state,
            verdict.message,
            False,
            False,
        )
        assert (status.failure is not None) == (verdict.state == "failed")
        assert (status.resumable is not None) == (verdict.state != "completed")


@pytest.mark.parametrize("content", ["", "{", '{"version": 99}'])
def test_a_bad_record_says_so_and_stays(folder, content):
    folder.record.write_text(content)
    status = read_status(folder)
    assert (status.state, status.is_active, status.needs_supervisor) == (None, False, False)
    assert "run.json" in status.message
    assert folder.record.read_text() == content
    with lock.hold(folder.lock, 0):
        assert read_status(folder).is_active


def test_what_is_queued_stays_so_whoever_died(folder):
    for supervisor in (GONE, OLD_BOOT):
        write(folder, "queued", supervisor, None, since=time.time() - START_LIMIT - 1)
        status = read_status(folder)
        assert (status.state, status.is_active, status.needs_supervisor) == ("queued", True, True)
        assert status.message == "Its supervisor is gone; it keeps its turn."
    write(folder, "queued", ME, None)
    assert not read_status(folder).needs_supervisor


def test_health_is_told_only_by_a_living_supervisor(folder):
    for supervisor in (ME, GONE):
        write(folder, "running", supervisor, ME)
        write_record(folder, dataclasses.replace(read_record(folder), health=Health("slow", "why", 1.0)))
        health = read_status(folder).health
        assert health == (Health("slow", "why", 1.0) if supervisor == ME else None)


def test_what_was_begun_without_a_person(folder):
    write_care(folder, Care(most_resumes=2))
    again = begin_attempt(folder, begin_attempt(folder, None, []), []).to(
        "queued", begun_by=MONITOR, note="with half the batch"
    )
    write_record(folder, dataclasses.replace(again, supervisor=ME, resumes_at=5.0))
    status = read_status(folder)
    assert (status.begun_by, status.resumes_at, status.resumes_left, status.is_ours) == (MONITOR, 5.0, 1, True)


@pytest.mark.parametrize("state", ["starting", "running", "stopping"])
@pytest.mark.parametrize(
    ("note", "told", "lasts"),
    [
        ("", "Nothing was saved before: it begins at the beginning.", False),
        (AGAIN, AGAIN, False),
        ("Half a batch.", "Half a batch.", True),
    ],
)
def test_how_an_attempt_begins_is_told_until_it_runs(folder, state, note, told, lasts):
    again = begin_attempt(folder, begin_attempt(folder, None, []), []).to(state, training=ME, note=note)
    write_record(folder, dataclasses.replace(again, supervisor=ME))
    assert read_status(folder).message == (told if state == "starting" or lasts else "")


def test_the_line_is_read_once_for_many(folder, monkeypatch):
    write_record(folder, dataclasses.replace(begin_attempt(folder, None, []).to("queued"), supervisor=ME))
    line = [Ticket(str(path), Wish((CPU,), is_any=True)) for path in (folder.path.parent / "other", folder.path)]
    monkeypatch.setattr("fluxgym.run.queue.read_line", lambda: [])
    assert read_status(folder).queue is None
    assert read_status(folder, line=line).queue.position == 2
    assert look_after(folder, line).queue.total == 2


@pytest.mark.parametrize("supervisor", [GONE, OLD_BOOT])
def test_an_opened_folder_that_says_it_runs_is_neither_alive_nor_lost_here(folder, supervisor):
    write(folder, "running", supervisor, supervisor, since=1.0)
    opened = remember(opened_root(), folder.path, folder.training_log)
    before = sorted(folder.path.iterdir())
    status = look_after(opened)
    assert (status.state, status.is_active, status.needs_supervisor) == (None, False, False)
    assert "does not say how it ended" in status.message
    assert sorted(folder.path.iterdir()) == before
    assert read_status(folder).needs_supervisor, "as a run of ours it is looked after"


def test_an_opened_folder_that_waits_elsewhere_is_not_queued_here(folder):
    write(folder, "queued", GONE, None)
    status = read_status(remember(opened_root(), folder.path, None))
    assert (status.state, status.is_active) == (None, False)
    assert "It was queued when its run.json was written last" in status.message


def test_an_opened_folder_that_trains_on_this_machine_is_running(folder):
    write(folder, "running", ME, ME)
    status = read_status(remember(opened_root(), folder.path, None))
    assert (status.state, status.pid, status.is_active) == ("running", os.getpid(), True)


def test_an_opened_folder_with_a_verdict_ended_as_it_says(folder):
    write(folder, "running", GONE, GONE)
    record = read_record(folder)
    write_record(folder, record.to("failed", verdict=Verdict("failed", "Out of memory.", "oom")))
    status = read_status(remember(opened_root(), folder.path, None))
    assert (status.state, status.failure.kind, status.can_restart) == ("failed", "oom", False)
    assert read_status(folder).can_restart
