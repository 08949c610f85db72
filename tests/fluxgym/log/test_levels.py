"""The level of a line: by what it says of itself at its beginning, never by a word in it."""

import pytest

from fluxgym.log.history import History
from fluxgym.log.levels import level_of
from fluxgym.log.search import Search, Wanted

from .logs import FLUXGYM, KOHYA, OURS, our_step

LINES = {
    "2026-11-24 10:00:00 WARNING captions cut at their end: 2": "warning",
    "2026-11-24 10:00:00 ERROR the loss became nan at step 3": "error",
    "[2026-11-24 10:00:00] [WARNING] something": "warning",
    "[2026-11-24 10:00:00] [INFO] a WARNING in its text": None,
    "2026-11-24 10:00:00 WARNING  cache is old    train_util.py:123": "warning",
    "/venv/lib/torch/cuda.py:33: UserWarning: CUDA is not there": "warning",
    "CRITICAL:root:it is over": "error",
    "Traceback (most recent call last):": "error",
    "ValueError: this ends a traceback, which is counted once": None,
    "Caching latents of ERROR.png": None,
    f"{our_step(3, 9, 1, 0.5).rstrip()}WARNING said behind a bar": "warning",
    f"{our_step(3, 9, 1, 0.5).rstrip()}": None,
    " " * 20 + "WARNING this goes on a text above it": None,
    "": None,
}


@pytest.mark.parametrize("line", LINES)
def test_the_level_of_a_line(line):
    assert level_of(line) == LINES[line]


@pytest.mark.parametrize("log", [OURS, KOHYA, FLUXGYM, "\n".join(LINES) + "\n"], ids=["ours", "kohya", "fluxgym", "lines"])
def test_what_is_counted_is_what_is_found(tmp_path, log):
    path = tmp_path / "training.log"
    path.write_text(log)
    history = History(path)
    history.update()
    counts = [Search(path, Wanted(level=level)).update().count for level in ("warning", "error")]
    assert counts == [history.warnings, history.errors]
    if log.startswith("2026-11-24 10:00:00 WARNING"):
        assert counts == [5, 3]
