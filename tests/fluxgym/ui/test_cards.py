"""A run as a card: what it says at each moment of a run's life."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import wait_for_end
from fluxgym.ui.cards import COLUMNS, WAITING, look_at
from trainer.folder import RunFolder


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


def test_a_run_that_waits_has_room_for_its_buttons() -> None:
    assert sum(WAITING) == sum(COLUMNS), "as wide as the others"
    assert WAITING[-1] / sum(WAITING) > 0.42


def test_a_completed_run(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small(name="small")
    wait_for_end(folder, 30)
    look = look_at(folder)
    assert (look.summary.state, look.history.step) == ("completed", 5)
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.get("progress")[0].proto.value == 100
    assert [button.label for button in page.button] == ["Open"]
