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
    fields.choice("memory.preset")
    for key in ("data.resolution", "train.gradient_checkpointing", "data.flip", "train.ema", "model.max_sequence_length"):
        fields.draw(key)
    fields.draw("train.epochs", "all")


def open_fields() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def test_what_is_typed_is_on_disk_at_once_and_back_in_another_session() -> None:
    page = open_fields()
    page.text_input(key="form:name").set_value("cat").run()
    page.number_input(key="form:train.epochs").set_value(3).run()
    page.text_area(key="form:sample.prompts").set_value("a\n\n b \n").run()
    assert page.selectbox(key="form:memory.preset").options[:2] == ["As much as is free", "24 GB"]
    page.selectbox(key="form:memory.preset").select_index(3).run()
    kept = form.read_values(form.draft())
    assert (kept["name"], kept["train.epochs"], kept["sample.prompts"]) == ("cat", 3, ["a", "b"])
    assert kept["memory.preset"] == "12"
    again = open_fields()
    assert again.text_input(key="form:name").value == "cat"
    assert again.text_area(key="form:sample.prompts").value == "a\nb"
    assert page.text_area(key="form:sample.prompts").value == "a\n\n b \n", "a blank line is not taken away while typing"


def test_a_setting_that_is_on_the_page_twice_says_the_same_twice() -> None:
    page = open_fields()
    page.number_input(key="all:train.epochs").set_value(5).run()
    assert page.number_input(key="form:train.epochs").value == 5
    page.number_input(key="form:train.epochs").set_value(6).run()
    assert page.number_input(key="all:train.epochs").value == 6


def test_a_browser_that_missed_how_a_widget_began_does_not_send_something_else() -> None:
    """What a browser that draws it for the first time begins with, in a run in which its state is not set anew."""
    form.write_values(form.draft(), form.default_values() | {"train.epochs": 7, "train.gradient_checkpointing": 3})
    page = open_fields().run()
    assert page.number_input(key="form:train.epochs").proto.default == 7
    blocks = page.selectbox(key="form:train.gradient_checkpointing").proto
    assert blocks.options[blocks.default] == "3"
    assert page.text_input(key="form:data.resolution").proto.default == "512"


def test_what_is_typed_in_place_of_a_name_becomes_what_it_means() -> None:
    page = open_fields()
    page.text_input(key="form:data.resolution").set_value("512, 768,").run()
    assert form.read_values(form.draft())["data.resolution"] == [512, 768]
    assert page.text_input(key="form:data.resolution").value == "512, 768,", "a comma stays while one types on"
    page.text_input(key="form:data.resolution").set_value("").run()
    assert form.read_values(form.draft())["data.resolution"] == ""
    blocks = page.selectbox(key="form:train.gradient_checkpointing")
    assert blocks.options == ["auto", "all blocks", "none"]
    blocks.options.append("12")  # as somebody types it
    blocks.set_value("12").run()
    assert not page.exception
    assert form.read_values(form.draft())["train.gradient_checkpointing"] == 12
    assert open_fields().selectbox(key="form:train.gradient_checkpointing").value == "12"
    page.selectbox(key="form:train.gradient_checkpointing").select("all blocks").run()
    assert form.read_values(form.draft())["train.gradient_checkpointing"] is True


def test_switches_and_decimals_of_files_that_say_whole_numbers() -> None:
    form.write_values(form.draft(), form.default_values() | {"train.ema": 0, "memory.preset": "48"})
    page = open_fields()
    assert page.number_input(key="form:train.ema").value == 0.0
    assert page.selectbox(key="form:memory.preset").value == "48", "what is wrong can be seen"
    page.toggle(key="form:data.flip").set_value(True).run()
    assert form.read_values(form.draft())["data.flip"] is True


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
