"""What the look before the start found, as the Train page shows it."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.preflight.report import ERROR, FINE, WARNING, Bucketed, Finding, Report
from fluxgym.ui import preflight_view
from fluxgym.ui.preflight_view import make_table

pytestmark = pytest.mark.usefixtures("outputs")
BUCKETS = [Bucketed("a.png", (96, 96), ((96, 96),), 0.0, False), Bucketed("b.png", (400, 64), ((128, 32),), 0.36, True)]


def script() -> None:
    import streamlit as st

    from fluxgym.ui import preflight_view

    pressed = st.button("Start")
    st.session_state.is_on = preflight_view.look("all settings", lambda: st.session_state.report, pressed)


def press(*findings: Finding) -> AppTest:
    page = AppTest.from_function(script)
    page.session_state.report = Report(list(findings), BUCKETS, 10)
    page.run().button[0].click().run()
    assert not page.exception
    return page


def test_where_all_is_in_order_it_begins_at_once() -> None:
    assert press(Finding(FINE, "name", "mine is free")).session_state.is_on is True


def test_an_error_stops_it() -> None:
    page = press(Finding(ERROR, "disk", "it is *full*", "Delete runs."), Finding(FINE, "name", "mine is free"))
    assert page.session_state.is_on is False and [button.label for button in page.button] == ["Start", "Back"]
    told = " ".join(part.value for part in page.markdown)
    assert "1 thing to set right" in told and "it is \\*full\\*" in told and "Delete runs" in told
    assert page.expander[0].label == "What is in order (1)"


def test_a_warning_asks_once() -> None:
    page = press(Finding(WARNING, "trigger", "there is none"))
    assert page.session_state.is_on is False
    page.button(key="start-anyway").click().run()
    assert page.session_state.is_on is True
    assert page.run().session_state.is_on is False, "each start asks"


def test_what_it_found_stays_until_it_was_read_whatever_begins_the_page_anew() -> None:
    page = press(Finding(WARNING, "trigger", "there is none"))
    for _ in range(2):
        page.run()
        assert [button.label for button in page.button] == ["Start", "Back", "Start anyway"]
    page.button[1].click().run()
    assert [button.label for button in page.run().button] == ["Start"], "somebody closed it"
    assert page.session_state.is_on is False


def test_the_table_begins_with_what_is_cut_most() -> None:
    rows = make_table(Report([], BUCKETS))
    assert [(row["Image"], row["Cut off"], row["Note"]) for row in rows] == [
        ("b.png", "36%", "smaller than the resolution"),
        ("a.png", "0%", ""),
    ]


def test_settings_are_called_as_the_form_calls_them() -> None:
    assert preflight_view.name_subject("train.learning_rate") == "Learning rate"
    assert preflight_view.name_subject("disk") == "Disk"
    assert preflight_view.name_subject("robot-rank8: model.base") == "robot-rank8: Base model"
    assert preflight_view.name_subject("robot-rank8: images") == "robot-rank8: images"
