"""The presets' dialog: what each would change is told before and after, and can be taken back."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form, preset

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    from fluxgym.ui import fields, presets_view

    presets_view.draw_button()
    presets_view.draw_applied()
    fields.number("lora.rank")


def open_presets() -> AppTest:
    page = AppTest.from_function(script).run()
    page.button(key="presets").click().run()
    assert not page.exception, page.exception
    return page


def told(page: AppTest) -> str:
    return " ".join(str(part.value) for part in [*page.markdown, *page.caption]).replace("\\", "")


def test_each_says_why_and_what_it_would_change() -> None:
    page = open_presets()
    said = told(page)
    assert all(each.why in said and f"**{each.label}**" in said for each in preset.list_presets())
    assert "GPU memory As much as is free -> 8 GB" in said
    assert "All as it is already" not in said


def test_what_was_applied_is_told_and_can_be_taken_back() -> None:
    page = open_presets()
    page.button(key="apply:purpose-style").click().run()
    assert not page.exception
    kept = form.read_values(form.draft())
    assert (kept["lora.rank"], kept["data.flip"]) == (32, True)
    assert "**Style**: Repeats 10 -> 5, Mirror at random off -> on" in told(page)
    assert page.number_input(key="form:lora.rank").value == 32
    page.button(key="presets").click().run()
    assert page.button(key="apply:purpose-style").disabled
    page.button(key="undo-preset").click().run()
    assert form.read_values(form.draft()) == form.default_values()
    assert "Style" not in told(page) and page.number_input(key="form:lora.rank").value == 16


def test_one_s_own_is_saved_applied_and_deleted() -> None:
    page = open_presets()
    page.button(key="save-preset").click().run()
    assert "expected 1 to 60 characters" in page.session_state["preset-refused"]
    page.number_input(key="form:lora.rank").set_value(48).run()
    page.button(key="presets").click().run()
    page.text_input(key="preset-name").set_value("mine *b*")
    page.button(key="save-preset").click().run()
    (own,) = [each for each in preset.list_presets() if each.is_own]
    assert own.label == "mine *b*" and own.values["lora.rank"] == 48
    page.number_input(key="form:lora.rank").set_value(4).run()
    page.button(key="presets").click().run()
    page.button(key=f"apply:{own.path.stem}").click().run()
    assert form.read_values(form.draft())["lora.rank"] == 48
    page.button(key="presets").click().run()
    page.button(key=f"delete:{own.path.stem}").click().run()
    assert not any(each.is_own for each in preset.list_presets())
