"""The third step of the Train page."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.ui import settings_view

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.form.check import check_form
    from fluxgym.ui import fields, settings_view

    checked = check_form(fields.values())
    st.session_state.problems = checked.problems
    settings_view.draw_settings(checked)


def test_what_most_people_set_is_to_be_seen_at_once_and_the_rest_is_not() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    shown = [widget.key for widget in [*page.number_input, *page.selectbox] if widget.key.startswith(("form:", "all:"))]
    assert {key for key in shown if "care" not in key} == {f"form:{key}" for key in settings_view.HEAD}


def test_a_browser_that_missed_how_the_switch_began_does_not_switch_states_off() -> None:
    page = AppTest.from_function(script).run()
    switch = page.run().toggle(key="checkpointing")
    assert not page.exception and switch.value is True and switch.proto.default is True
