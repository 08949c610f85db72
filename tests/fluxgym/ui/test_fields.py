"""Widgets bound to the form: what is typed is on disk at once, and a problem stands beside its field."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.ui import fields

    st.session_state.problems = {"name": "got *a*, expected b", "trigger": "Nothing here yet"}
    fields.text("name", "Name")
    fields.text("trigger", "Trigger")
    fields.number("train.epochs", "Epochs")
    fields.lines("sample.prompts", "Prompts")
    fields.choice("memory.preset", "GPU memory", {"auto": "As much as is free", "12": "12 GB"})


def open_fields() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def test_what_is_typed_is_on_disk_at_once_and_back_in_another_session() -> None:
    page = open_fields()
    page.text_input(key="form:name").set_value("cat").run()
    page.number_input(key="form:train.epochs").set_value(3).run()
    page.text_area(key="form:sample.prompts").set_value("a\n\n b \n").run()
    assert page.selectbox(key="form:memory.preset").options == ["As much as is free", "12 GB"]
    page.selectbox(key="form:memory.preset").select_index(1).run()
    kept = form.read_values(form.draft())
    assert (kept["name"], kept["train.epochs"], kept["sample.prompts"]) == ("cat", 3, ["a", "b"])
    assert kept["memory.preset"] == "12"
    again = open_fields()
    assert again.text_input(key="form:name").value == "cat"
    assert again.text_area(key="form:sample.prompts").value == "a\nb"
    assert page.text_area(key="form:sample.prompts").value == "a\n\n b \n", "a blank line is not taken away while typing"


def test_an_emptied_number_stays_empty() -> None:
    page = open_fields()
    page.number_input(key="form:train.epochs").set_value(None).run()
    assert not page.exception
    assert page.number_input(key="form:train.epochs").value is None
    assert form.read_values(form.draft())["train.epochs"] is None


def test_problems_stand_below_their_fields_and_are_shown_as_text() -> None:
    page = open_fields()
    assert [part.value for part in page.markdown] == [], "an empty form is not reproached"
    page.text_input(key="form:name").set_value("a").run()
    assert [part.value for part in page.markdown] == [r":small[:red[:material/error: Got \*a\*, expected b]]"]
    page.session_state.start_pressed = True
    page.run()
    assert len(page.markdown) == 2


def test_every_field_says_what_it_means() -> None:
    page = open_fields()
    assert page.number_input(key="form:train.epochs").help == form.explain("train.epochs")
