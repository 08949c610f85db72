"""Which logs a run has, and by which names they are found."""

from pathlib import Path

from fluxgym.view.logs import find_log, list_logs
from trainer.folder import RunFolder


def test_every_run_has_a_log_and_a_monitors(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert [(log.key, log.path) for log in list_logs(folder)] == [
        ("training", folder.training_log),
        ("monitor", folder.monitor_log),
    ]


def test_names_are_compared(tmp_path: Path, hostile_name: str) -> None:
    folder = RunFolder(tmp_path)
    assert find_log(folder, "monitor").path == folder.monitor_log
    assert find_log(folder, hostile_name) is None
