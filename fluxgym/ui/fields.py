"""Widgets of the Train page's form. Each is bound to one value of fluxgym/form/form.py and keeps it on disk when it changes.

The form's values are the truth, a widget only shows one of them: so a refresh, another page, a restart of the server and
"Try the demo" need nothing special.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.form import form
from fluxgym.form.catalogue import CHOICE, DECIMAL, SWITCH, TEXT, TEXTS, WHOLE, WORD, Setting, find_setting, is_same
from fluxgym.ui.bind import bind, bind_choice
from fluxgym.ui.text import red

FORM = "form"  # where a widget is: begins its key
_send_typed = st.components.v2.component("fluxgym_typed", js=(Path(__file__).parent / "typed.js").read_text(encoding="utf-8"))


def values() -> form.Values:
    """What the form holds; read from disk once a session."""
    if "form" not in st.session_state:
        st.session_state.form = form.read_values(form.draft())
    return st.session_state.form


def change(changes: form.Values) -> None:
    """Changes values and keeps them on disk."""
    values().update(changes)
    form.write_values(form.draft(), values())


def fill(everything: form.Values) -> None:
    """Puts other values into the whole form. What it held can be brought back with `draw_undo`."""
    form.set_aside(values())
    change(everything)
    for key in ("source", "base", "refused", "start_pressed", "preset-applied", "imported"):
        st.session_state.pop(key, None)


def draw_undo() -> None:
    """The way back to a form that the demo or Again replaced."""
    if form.before().ui_state.is_file():
        told = "Brings back the form as it was before other settings were filled in."
        st.button("Undo", icon=":material/undo:", key="undo", help=told, on_click=lambda: fill(form.take_back()))


def send_while_typed() -> None:
    """Texts of several lines, too, are kept while they are typed. Once a page; draws nothing."""
    _send_typed(key="send-typed", height=1)


def text(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """One line, kept while it is typed."""
    bound = bind(_name(key, place), values()[key] or "")
    st.text_input(label or _find(key).label, live=True, on_change=_keep, args=(key, place), **bound, **_common(key, options))
    show_problem(key)


def lines(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """A list of texts, one a line."""
    bound = bind(_name(key, place), _typed(key, split_lines, "\n".join(values()[key]), place))
    given = _common(key, options)
    st.text_area(label or _find(key).label, on_change=_keep, args=(key, place, split_lines), **bound, **given)
    show_problem(key)


def number(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """A number that may be out of its range or empty: the problem is told below it, not typed over."""
    setting = _find(key)
    is_whole, value = setting.kind == WHOLE, values()[key]
    bound = bind(_name(key, place), value if value is None or is_whole else float(value))
    given = {"step": int(setting.step) if is_whole else setting.step, "format": setting.format, "value": None, **bound}
    given |= {"placeholder": "unset"} if setting.is_optional else {}
    st.number_input(label or setting.label, on_change=_keep, args=(key, place), **given, **_common(key, options))
    show_problem(key)


def switch(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """True or false."""
    bound = bind(_name(key, place), values()[key])
    st.toggle(label or _find(key).label, on_change=_keep, args=(key, place), **bound, **_common(key, options))
    show_problem(key)


def choice(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """One of the values that a setting may have, by what each is called here; a wrong one that is there can be seen too."""
    setting, value = _find(key), values()[key]
    choices = list(setting.choices) if value in setting.choices else [*setting.choices, value]
    given = {"format_func": setting.show, "on_change": _keep, "args": (key, place), **_common(key, options)}
    bound = bind_choice(_name(key, place), value, choices)
    st.selectbox(label or setting.label, choices, **bound, **given)
    show_problem(key)


def word(key: str, label: str = "", place: str = FORM, **options: Any) -> None:
    """A choice by its name, or something else that is typed: 'auto' or 3, 512 or '512, 768'."""
    setting = _find(key)
    shown = "" if values()[key] in ("", []) else setting.show(values()[key])
    typed, name = _typed(key, setting.read, shown, place), _name(key, place)
    given = {"on_change": _keep, "args": (key, place, setting.read), **_common(key, options)}
    if setting.choices:
        names = list(dict.fromkeys([*setting.choices.values(), typed or shown]))
        st.selectbox(label or setting.label, names, accept_new_options=True, **bind_choice(name, typed, names), **given)
    else:
        st.text_input(label or setting.label, live=True, **bind(name, typed), **given)
    show_problem(key)


def offered(key: str, names: list[str], usual: str, place: str = FORM, **options: Any) -> None:
    """A text for which some are offered; another can be typed. `usual`: what no text is called."""
    value = values()[key]
    there = list(dict.fromkeys([usual, *names, *filter(None, [value])]))
    bound = bind_choice(_name(key, place), value or usual, there)
    given = {"on_change": _keep, "args": (key, place, lambda text: "" if text == usual else text), **_common(key, options)}
    st.selectbox(_find(key).label, there, accept_new_options=True, **bound, **given)
    show_problem(key)


_WIDGETS = {TEXT: text, TEXTS: lines, WHOLE: number, DECIMAL: number, SWITCH: switch, CHOICE: choice, WORD: word}


def draw(key: str, place: str = FORM, **options: Any) -> None:
    """The widget of any setting. `place`: another than that of the form's own steps, where it is on the page twice."""
    _WIDGETS[_find(key).kind](key, "", place, **options)


def show_problem(key: str) -> None:
    """What is wrong with a value, right below it."""
    if is_told(key):
        problem = st.session_state.problems[key]
        st.markdown(red(problem[:1].upper() + problem[1:]))


def is_told(key: str) -> bool:
    """Whether a value is wrong and it is time to say so: of an empty one that is after somebody pressed Start."""
    value = values().get(key)
    is_awaited = key == "data.folder" and form.is_upload(values()) and not form.has_images(values()[key])
    is_touched = st.session_state.get("start_pressed") or not (value in ("", None) or is_awaited)
    return bool(is_touched and key in st.session_state.get("problems", {}))


def _common(key: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"help": form.explain(key), **options}


def _find(key: str) -> Setting:
    setting = find_setting(key)
    assert setting, key
    return setting


def _name(key: str, place: str = FORM) -> str:
    return f"{place}:{key}"


def _typed(key: str, read: Callable[[str], Any], shown: str, place: str) -> str:
    """What the widget of a value shows that can be typed in several ways: a blank line, or a comma at the end, stays while one
    types."""
    typed = st.session_state.get(_name(key, place)) or ""
    return typed if typed and is_same(read(typed), values()[key]) else shown


def _keep(key: str, place: str = FORM, read: Callable[[str], Any] | None = None) -> None:
    value = st.session_state[_name(key, place)]
    change(form.follow(values(), {key: read(value or "") if read else value}))


def split_lines(text: str) -> list[str]:
    """The lines of a text of several that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]
