"""The parts of the Runs page; most of them: tests/pages/test_runs.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.asking import move_run
from fluxgym.run.care import Care
from fluxgym.run.launch import wait_for_end
from fluxgym.run.status import read_status
from fluxgym.ui import runs_view
from fluxgym.view.order import sort_runs
from trainer.folder import RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import list_runs
    from fluxgym.ui import runs_view

    st.session_state.runs = st.session_state.get("runs", 0) + 1
    runs_view.draw_active([], 0 if st.session_state.runs == 1 else len(list_runs()))


def test_a_run_that_came_from_elsewhere_draws_the_whole_page_anew(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.session_state.runs == 2
    assert page.caption[0].value == "No training is under way."


def test_the_welcome_says_what_this_is() -> None:
    def welcome() -> None:
        from fluxgym.ui import runs_view

        runs_view.draw_welcome()

    page = AppTest.from_function(welcome).run()
    assert "FluxGym trains a LoRA of FLUX on your images" in page.markdown[0].value
    assert page.button[0].proto.type == "primary"


def test_of_a_long_line_all_are_shown_when_they_are_asked_for(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_view, "MOST_CARDS", 2)
    first = start_small("--steps", "100000", "--pause", "0.05", name="first", care=Care())
    wait_until(lambda: read_status(first).state == "running")
    waiting = [start_small(name=name, care=Care()) for name in ("a", "b")]
    wait_until(lambda: all(read_status(folder).queue for folder in waiting))

    def script() -> None:
        from fluxgym.ui import runs_view
        from fluxgym.view.order import sort_runs

        runs_view.draw_active(sort_runs()[0], 0)

    page = AppTest.from_function(script).run()
    assert [button.key for button in page.button if button.label == "Open"] == ["open:first", "open:a"]
    page.toggle(key="show-all").set_value(True).run()
    assert page.toggle[0].label == "Show all 3"
    assert [button.key for button in page.button if button.label == "Open"] == ["open:first", "open:a", "open:b"]


def test_those_that_train_are_first_and_those_that_wait_in_their_order(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    wait_for_end(start_small(name="ended"), 30)
    first = start_small("--steps", "100000", "--pause", "0.05", name="first", care=Care())
    wait_until(lambda: read_status(first).state == "running")
    waiting = [start_small(name=name, care=Care()) for name in ("a", "b")]
    wait_until(lambda: all(turn and turn.total == 2 for turn in (read_status(folder).queue for folder in waiting)))
    latest = start_small("--steps", "100000", "--pause", "0.05", name="latest")
    wait_until(lambda: read_status(latest).state == "running")

    def names() -> list[str]:
        return [folder.name for folder in sort_runs()[0]]

    assert names() == ["latest", "first", "a", "b"]
    move_run(waiting[1], "first")
    assert names() == ["latest", "first", "b", "a"]
    assert [folder.name for folder in sort_runs()[1]] == ["ended"]
