"""Notification services that are dead, hang or refuse harm no run; those that answer are told, and no URL gets into a run."""

import signal
import threading
from pathlib import Path

import pytest

from fluxgym.run.launch import look_after, stop_run
from fluxgym.run.record import read_record
from tests.faults.tree import RUNNING, is_guarded, text_of
from tests.fluxgym.notify.conftest import SECRET, Service


@pytest.fixture
def services(outputs, monkeypatch):
    """One that answers, one that hangs, one that breaks and one that is not there."""
    good, others = Service(200), [Service(None), Service(500)]
    for service in (good, *others):
        threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
    urls = [*(service.url for service in (*others, good)), f"json://owner:{SECRET}@127.0.0.1:9/{SECRET}"]
    monkeypatch.setenv("FLUXGYM_NOTIFY", " ".join(urls))
    yield good
    for service in (good, *others):
        service.is_over.set()
        service.shutdown()
        service.server_close()


def test_services_that_are_dead_or_hang_harm_no_run(services, start_small, wait_until):
    """The verdict does not wait for them, the one that answers has the news, and the run's folder has no word of a URL."""
    folder = start_small()
    wait_until(lambda: read_record(folder).state == "completed")
    wait_until(lambda: services.got, 40)
    assert services.got[0]["title"] == "small: completed"
    wait_until(lambda: "notification of completed" in text_of(folder.monitor_log), 40)
    assert "JSON: 127.0.0.1: sent" in folder.monitor_log.read_text()
    for path in (path for path in folder.path.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes()


def test_a_person_who_stops_a_run_is_not_told_of_it(services, running, wait_until):
    folder, supervisor, training = running(*RUNNING)
    assert SECRET.encode() not in Path(f"/proc/{training.pid}/environ").read_bytes()  # trainers may print theirs
    stop_run(folder, wait=20)
    wait_until(lambda: not supervisor.alive())
    _, _, training = running(*RUNNING, name="other")
    training.signal(signal.SIGKILL)
    wait_until(lambda: services.got, 40)
    assert [got["title"] for got in services.got] == ["other: failed"]


def test_a_stall_is_told_once_though_its_supervisor_is_replaced(services, start_small, killed, wait_until, monkeypatch):
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.02")
    folder = start_small("--steps", "40", "--hang-at", "30")
    wait_until(lambda: services.got, 40)
    before = read_record(folder)
    killed(before.supervisor)
    judged = before.health.reason  # a killed process holds its locks until its last thread is gone: look more than once
    wait_until(lambda: look_after(folder) and is_guarded(folder) and read_record(folder).health.reason != judged)
    before.attempts[-1].training.signal(signal.SIGKILL)
    wait_until(lambda: len(services.got) > 1, 40)
    assert [got["title"] for got in services.got] == ["small: makes no progress", "small: failed"]
