"""The clock of a file system that differs from ours."""

import time

import pytest

from fluxgym.log import disk_clock
from fluxgym.log.history import History
from fluxgym.log.tail import tail


@pytest.fixture
def behind(monkeypatch):
    """Our clock is an hour behind the one that stamps files."""
    real = time.time
    monkeypatch.setattr(disk_clock, "_offsets", {})
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    return real


def test_a_log_that_is_written_now_is_new_whatever_our_clock_says(behind, tmp_path):
    log = tmp_path / "training.log"
    log.write_text("a line\n")
    disk_clock.measure(tmp_path)
    assert list(tmp_path.iterdir()) == [log], "the file that asks is taken away"
    history = History(log)
    history.update()
    there = log.stat()
    assert abs(disk_clock.ours(there.st_mtime, there.st_dev) - time.time()) < 60
    assert history.last_line_age_seconds < 60
    assert tail(log, 1).age_seconds < 60


def test_nothing_is_measured_twice_at_once_and_nothing_where_nothing_can_be_written(behind, tmp_path, monkeypatch):
    disk_clock.measure(tmp_path / "gone")
    assert disk_clock._offsets == {}
    disk_clock.measure(tmp_path)
    measured = dict(disk_clock._offsets)
    assert next(iter(measured.values()))[0] == pytest.approx(3600, abs=60)
    disk_clock.measure(tmp_path)
    assert disk_clock._offsets == measured


def test_clocks_that_agree_are_not_corrected(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_clock, "_offsets", {})
    disk_clock.measure(tmp_path)
    assert [ahead for ahead, _ in disk_clock._offsets.values()] == [0.0]
    assert disk_clock.ours(100.0, tmp_path.stat().st_dev) == 100.0
