"""All settings: every one of them can be found, seen, changed and put back."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.form.catalogue import list_settings
from fluxgym.ui.all_settings import list_sections

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.form.form import find_problems
    from fluxgym.ui import all_settings, fields

    st.session_state.problems = find_problems(fields.values())
    all_settings.draw_all(["train.epochs"])


def open_all(**state: object) -> AppTest:
    page = AppTest.from_function(script)
    for key, value in {"all-settings": True, **state}.items():
        page.session_state[key.replace("_", "-") if key.startswith("settings") else key] = value
    page.run()
    assert not page.exception, page.exception
    return page


def keys_of(page: AppTest) -> set[str]:
    widgets = [*page.number_input, *page.selectbox, *page.text_input, *page.text_area, *page.toggle]
    return {widget.key.removeprefix("all:") for widget in widgets if widget.key.startswith("all:")}


def told(page: AppTest) -> str:
    return " ".join(str(part.value) for part in [*page.markdown, *page.caption]).replace("\\", "")


def test_every_setting_but_those_asked_for_above_is_in_one_of_the_sections() -> None:
    form.write_values(form.draft(), form.default_values() | {"care.place": "slurm"})
    seen: set[str] = set()
    for section, settings in list_sections().items():
        shown = keys_of(open_all(settings_section=section))
        assert shown == {setting.key for setting in settings}
        seen |= shown
    assert seen | set(form.ASKED) == {setting.key for setting in list_settings()}


def test_what_a_job_asks_for_is_offered_where_there_is_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    page = open_all(settings_section="slurm")  # left open on another machine
    assert "Slurm" not in page.pills[0].options and page.pills[0].value != "slurm"
    form.write_values(form.draft(), form.default_values() | {"slurm.nodes": 2})
    assert "Slurm (1)" in open_all().pills[0].options, "what was changed is never hidden"


def test_nothing_is_drawn_while_it_is_closed() -> None:
    form.write_values(form.draft(), form.default_values() | {"train.epochs": 3})
    page = AppTest.from_function(script).run()
    assert keys_of(page) == set()
    assert "Other than usual for the base model: 1 setting." in told(page)


def test_a_search_looks_at_all_sections() -> None:
    page = open_all(settings_search="warm")
    assert "train.warmup_steps" in keys_of(page)
    assert keys_of(open_all(settings_search="seed")) >= {"train.seed", "sample.seed"}
    assert "Nothing is called so" in told(open_all(settings_search="zzz"))
    assert "name" not in keys_of(open_all(settings_search="name"))


def test_what_was_changed_is_marked_with_the_way_back() -> None:
    page = open_all(settings_search="warmup_steps")
    page.number_input(key="all:train.warmup_steps").set_value(20).run()
    page.toggle(key="settings-changed").set_value(True).run()
    page.text_input(key="settings-search").set_value("").run()
    assert keys_of(page) == {"train.warmup_steps"}
    back = page.button(key="back:train.warmup_steps")
    assert back.label == "Back to 0"
    back.click().run()
    assert not page.exception
    assert form.read_values(form.draft())["train.warmup_steps"] == 0
    assert keys_of(page) == set()


def test_the_pills_say_how_many_were_changed() -> None:
    form.write_values(form.draft(), form.default_values() | {"train.warmup_steps": 3, "train.seed": 1, "data.flip": True})
    pills = open_all().get("button_group")[0]
    labels = [option.content for option in pills.proto.options]
    assert labels[:4] == ["Model", "Data (1)", "LoRA", "Training (2)"]


def test_what_is_wrong_out_of_sight_is_told_with_a_way_to_it() -> None:
    form.write_values(form.draft(), form.default_values() | {"train.warmup_steps": -1, "train.epochs": 0})
    page = AppTest.from_function(script).run()
    assert "Warm-up, steps: got -1" in told(page)
    assert "Epochs" not in told(page), "it is told where it stands, above"
    page.button(key="show:train.warmup_steps").click().run()
    assert keys_of(page) == {"train.warmup_steps"}
    assert told(page).count("ot -1") == 1
    page.number_input(key="all:train.warmup_steps").set_value(1).run()
    assert "ot -1" not in told(page)
