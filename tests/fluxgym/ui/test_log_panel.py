"""The logs of a run: how many lines, how old, how large, and what fits a search. More of it: tests/pages/test_run.py."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, log_panel

    log_panel.draw_both(cards.look_at(find_run("small")))


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    made = RunFolder(outputs / "small")
    made.path.mkdir()
    made.config.touch()
    return made


def draw() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def lines(page: AppTest) -> list[str]:
    return json.loads(page.get("bidi_component")[0].proto.json)["lines"]


def test_a_log_that_is_not_there_yet(folder: RunFolder) -> None:
    page = draw()
    assert lines(page) == []
    assert [part.value for part in page.caption] == ["not there yet", "not there yet"]
    assert not page.get("link_button")


def test_age_size_and_download(folder: RunFolder) -> None:
    folder.training_log.write_text("x" * 2047 + "\n", encoding="utf-8")
    page = draw()
    assert page.caption[0].value == "last line 0 s ago, 2 KiB"
    assert page.get("link_button")[0].proto.url == "files/small/logs/training.log"


def test_levels(folder: RunFolder) -> None:
    said = ["2026-11-24 10:15:00 ERROR bad", "2026-11-24 10:15:00 WARNING hm", "ValueError: x", "Epoch 1/2"]
    folder.training_log.write_text("\n".join(said) + "\n", encoding="utf-8")
    page = draw()
    level = page.get("button_group")[0]
    level.set_value("Errors").run()
    assert lines(page) == [said[0], said[2]]
    page.get("button_group")[0].set_value("Warnings").run()
    assert lines(page) == [said[1]]
