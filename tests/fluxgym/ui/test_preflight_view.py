"""What the look before the start found, as the Train page shows it."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.preflight.report import ERROR, FINE, WARNING, Bucketed, Finding, Report
from fluxgym.ui.preflight_view import make_table

pytestmark = pytest.mark.usefixtures("outputs")
BUCKETS = [Bucketed("a.png", (96, 96), ((96, 96),), 0.0, False), Bucketed("b.png", (400, 64), ((128, 32),), 0.36, True)]


def script() -> None:
    import streamlit as st

    from fluxgym.ui.preflight_view import draw_report

    st.session_state.is_on = draw_report(st.session_state.report)


def show(*findings: Finding) -> AppTest:
    page = AppTest.from_function(script)
    page.session_state.report = Report(list(findings), BUCKETS, 10)
    return page.run()


def test_an_error_stops_it() -> None:
    page = show(Finding(ERROR, "disk", "it is *full*", "Delete runs."), Finding(FINE, "name", "mine is free"))
    assert not page.exception and not page.button
    told = " ".join(part.value for part in page.markdown)
    assert "1 thing to set right" in told and "it is \\*full\\*" in told and "Delete runs" in told
    assert page.expander[0].label == "What is in order (1)"


def test_a_warning_asks() -> None:
    page = show(Finding(WARNING, "trigger", "there is none"))
    assert [button.label for button in page.button] == ["Start anyway"]
    page.button[0].click().run()
    assert page.session_state.is_on is True


def test_the_table_begins_with_what_is_cut_most() -> None:
    rows = make_table(Report([], BUCKETS))
    assert [(row["Image"], row["Cut off"], row["Note"]) for row in rows] == [
        ("b.png", "36%", "smaller than the resolution"),
        ("a.png", "0%", ""),
    ]
