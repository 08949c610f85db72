"""The heartbeat of a supervisor, as another machine hears it. Two machines are in tests/faults/test_other_host.py."""

import dataclasses
import json
import os
import time

import pytest

from fluxgym.log import disk_clock
from fluxgym.run import beat
from fluxgym.run.beat import SIZE, Heart, hear, is_beating, read_beat
from fluxgym.run.identity import Identity, boot_age, boot_id, host_name
from tests.fluxgym.run.hosts import beat_as
from trainer.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    return RunFolder(tmp_path / "a")


def test_a_beat_is_fresh_until_it_is_silent_for_long(folder, monkeypatch):
    assert read_beat(folder) is None
    Heart(folder).beat()
    heard = read_beat(folder)
    assert (heard.host, heard.pid, heard.is_fresh) == (os.uname().nodename, os.getpid(), True)
    assert folder.heartbeat.stat().st_size == SIZE
    os.utime(folder.heartbeat, (1, time.time() - beat.SILENT_AFTER - 1))
    assert not read_beat(folder).is_fresh
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "3600")
    assert read_beat(folder).is_fresh
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "soon")
    assert not read_beat(folder).is_fresh


def test_it_is_written_now_and_then_only(folder, monkeypatch):
    heart = Heart(folder)
    heart.beat()
    os.utime(folder.heartbeat, (1, 1))
    heart.beat()
    assert folder.heartbeat.stat().st_mtime == 1
    monkeypatch.setattr(beat, "EVERY", 0.0)
    heart = Heart(folder)
    heart.beat()
    heart.beat()
    assert folder.heartbeat.stat().st_mtime > 1
    heart.stop()
    heart.stop()
    assert not folder.heartbeat.exists()


def test_a_folder_that_is_gone_or_a_file_that_is_damaged_hurts_nobody(folder, tmp_path):
    Heart(RunFolder(tmp_path / "gone")).beat()
    Heart(RunFolder(tmp_path / "gone")).stop()
    for said in (b"", b"[]", b"{}", b"\0" * SIZE, b'{"host": "a", "pid": "x", "time": 1}'):
        folder.heartbeat.write_bytes(said)
        assert read_beat(folder) is None


def test_how_the_clocks_differ_is_heard(folder, monkeypatch):
    Heart(folder).beat()
    real = time.time
    monkeypatch.setattr(disk_clock, "_offsets", {})
    monkeypatch.setattr(time, "time", lambda: real() - 3600)  # ours; that of the disk and of the supervisor are right
    heard = read_beat(folder)
    assert heard.is_fresh
    assert heard.ahead == pytest.approx(3600, abs=60)


def test_only_the_supervisor_that_is_meant_is_heard(folder):
    Heart(folder).beat()
    me = Identity.of(os.getpid())
    there = dataclasses.replace(me, boot_id="of another machine", host="gpu-1")
    assert hear(folder, None) is None
    assert hear(folder, me) is None, "it is of this machine, where its process is looked at"
    assert hear(folder, there) is None, "what beats is ours"
    for boot in ("", there.boot_id):
        beat_as(folder, "gpu-1", there.pid, boot)
        assert hear(folder, there).is_fresh
        assert hear(folder, dataclasses.replace(there, pid=there.pid + 1)) is None
    beat_as(folder, "gpu-1", there.pid, "a later boot")
    assert hear(folder, there) is None


def test_another_machine_of_our_name_is_heard_and_is_not_this_one_before_it_restarted(folder):
    here, stranger = host_name(), 2**22 + 1
    there = Identity(stranger, 1, "of another machine", here)
    beat_as(folder, here, stranger, there.boot_id)
    assert hear(folder, there).is_fresh and is_beating(folder.path), "it beat while we were up"
    os.utime(folder.heartbeat, (1, time.time() - boot_age() - 10))
    assert hear(folder, there) is None and not is_beating(folder.path)
    beat_as(folder, here, os.getpid(), there.boot_id)
    assert is_beating(folder.path), "it has our pid there"
    beat_as(folder, here, stranger)
    assert hear(folder, there) is None and not is_beating(folder.path), "one that does not tell its boot is of this machine"
    Heart(folder).beat()
    assert not is_beating(folder.path), "it is our own"
    assert json.loads(folder.heartbeat.read_bytes())["boot"] == boot_id()
