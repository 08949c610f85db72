"""Which logs a run has, and by which names they are found."""

import gzip
from pathlib import Path

from fluxgym.log.search import Wanted, get_search
from fluxgym.view.logs import find_log, list_logs
from trainer.folder import RunFolder


def test_every_run_has_a_log_and_a_monitors(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert [(log.key, log.path) for log in list_logs(folder)] == [
        ("training", folder.training_log),
        ("monitor", folder.monitor_log),
    ]


def test_archived_logs_come_after_them_the_latest_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name in ("20261124-101500", "20261124-101500-2", "20261125-080000", "settings"):
        (folder.old_logs / name).mkdir(parents=True)
    for name in ("20261124-101500/training.log.gz", "20261124-101500-2/training.0001.log.gz", "20261125-080000/monitor.log.gz"):
        (folder.old_logs / name).write_bytes(gzip.compress(b"one\nERROR two\n"))
    assert [(log.key, log.title) for log in list_logs(folder)[2:]] == [
        ("20261125-080000-monitor", "Monitor, archived 2026-11-25 08:00:00"),
        ("20261124-101500-2-training", "Archived 2026-11-24 10:15:00"),
        ("20261124-101500-training", "Archived 2026-11-24 10:15:00"),
    ]
    for log in list_logs(folder)[2:]:
        found = get_search(log.path, Wanted(level="error")).update()
        assert [(hit.number, hit.text) for hit in found.hits] == [(2, "ERROR two")]


def test_names_are_compared(tmp_path: Path, hostile_name: str) -> None:
    folder = RunFolder(tmp_path)
    assert find_log(folder, "monitor").path == folder.monitor_log
    assert find_log(folder, hostile_name) is None
