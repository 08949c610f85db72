"""What a widget begins with: its state where that is set, its default in all other runs of a page."""

from typing import Any

import pytest
import streamlit as st

from fluxgym.ui.bind import bind, bind_choice


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", kept)
    return kept


def test_it_begins_with_the_value_in_each_run(state: dict[str, Any]) -> None:
    assert bind("a", 3) == {"key": "a"} and state == {"a": 3}
    assert bind("a", 3) == {"key": "a", "value": 3}
    assert bind("a", 4, "default") == {"key": "a"} and state == {"a": 4}
    assert bind("a", 4, "default") == {"key": "a", "default": 4}


def test_a_switch_is_no_number(state: dict[str, Any]) -> None:
    state["a"] = 1
    assert bind("a", True) == {"key": "a"} and state["a"] is True


def test_nothing_chosen_is_a_value_too(state: dict[str, Any]) -> None:
    assert bind("a", None) == {"key": "a"} and state == {"a": None}
    assert bind("a", None) == {"key": "a", "value": None}


def test_a_choice_begins_with_its_place(state: dict[str, Any]) -> None:
    assert bind_choice("a", "y", ["x", "y"]) == {"key": "a"} and state == {"a": "y"}
    assert bind_choice("a", "y", ["x", "y"]) == {"key": "a", "index": 1}
