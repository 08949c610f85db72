"""The line of waiting runs."""

from fluxgym.run.queue import find_turn
from trainer.folder import RunFolder


def test_nobody_waits(outputs):
    assert find_turn(RunFolder(outputs / "a")) is None
