"""The third step of the Train page."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.form.check import check_form
    from fluxgym.ui import fields, settings_view

    checked = check_form(fields.values())
    st.session_state.problems = checked.problems
    settings_view.draw_settings(checked)


def test_every_setting_that_is_shown_is_one_of_the_form() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    shown = {widget.key for widget in [*page.text_input, *page.number_input, *page.text_area, *page.checkbox]}
    assert shown
    assert shown <= {f"form:{key}" for key in form.default_values()}
