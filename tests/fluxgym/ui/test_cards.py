"""A run as a card: what it says at each moment of a run's life."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import wait_for_end
from fluxgym.run.record import Attempt, Record, Verdict, write_record
from fluxgym.ui import cards
from fluxgym.ui.cards import look_at
from trainer.folder import RunFolder

LINE = "2026-11-24 10:00:00 steps:  1%|     | {}/9 [00:00<00:27, 11.00it/s, loss=0.4000, lr=2e-04]\n"


def script() -> None:
    from fluxgym.run.folders import list_runs
    from fluxgym.ui import cards

    for folder in list_runs():
        cards.draw_card(cards.look_at(folder))


def test_a_run_without_a_line_has_no_numbers(outputs: Path) -> None:
    folder = RunFolder(outputs / "new")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.metric[0].value == "-"
    assert not page.metric[0].proto.chart_data
    assert page.get("progress")[0].proto.value == 0


def test_a_run_that_waits_has_the_columns_of_the_others(outputs: Path) -> None:
    for state in ("queued", "failed"):
        verdict = Verdict("failed", "It broke.", "other") if state == "failed" else None
        attempt = Attempt(1, time.time(), ["python"], verdict=verdict)
        folder = RunFolder(outputs / state)
        folder.path.mkdir()
        write_record(folder, Record(state, time.time(), ["python"], state, time.time(), attempts=[attempt]))
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert {button.label for button in page.button} >= {"Remove"}, "one waits"
    widths = [round(column.weight, 4) for column in page.columns]
    assert widths[:4] == widths[4:]


def test_only_a_small_picture_takes_its_room(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, heights = RunFolder(outputs / "new"), []
    monkeypatch.setattr(cards.st, "metric", lambda *words, height, **more: heights.append(height))
    folder.path.mkdir()
    for steps in (1, 8):
        folder.training_log.write_text("".join(map(LINE.format, range(1, steps + 1))), encoding="utf-8")
        assert not AppTest.from_function(script).run().exception
    assert heights == ["content", cards.WITH_LINE]


def test_a_completed_run(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small(name="small")
    wait_for_end(folder, 30)
    look = look_at(folder)
    assert (look.summary.state, look.history.step) == ("completed", 5)
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.get("progress")[0].proto.value == 100
    assert [button.label for button in page.button] == ["Open"]
