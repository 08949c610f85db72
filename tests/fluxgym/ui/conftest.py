"""A run's folder for the tests of what is drawn of one."""

from pathlib import Path

import pytest

from trainer.folder import RunFolder


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    """A run named small that has settings and nothing else."""
    made = RunFolder(outputs / "small")
    made.path.mkdir()
    made.config.touch()
    return made
