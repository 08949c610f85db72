"""Widgets of the Train page's form. Each is bound to one value of fluxgym/form/form.py and keeps it on disk when it changes.

The form's values are the truth, a widget only shows one of them: so a refresh, another page, a restart of the server and
"Try the demo" need nothing special.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.form import form
from fluxgym.ui.text import red

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
    for key in ("source", "base", "refused", "start_pressed"):
        st.session_state.pop(key, None)


def draw_undo() -> None:
    """The way back to a form that the demo or Again replaced."""
    if form.before().ui_state.is_file():
        told = "Brings back the form as it was before other settings were filled in."
        st.button("Undo", icon=":material/undo:", key="undo", help=told, on_click=lambda: fill(form.take_back()))


def send_while_typed() -> None:
    """Texts of several lines, too, are kept while they are typed. Once a page; draws nothing."""
    _send_typed(key="send-typed", height=1)


def text(key: str, label: str, **options: Any) -> None:
    """One line, kept while it is typed."""
    st.text_input(label, key=_bind(key, values()[key]), live=True, on_change=_keep, args=(key,), **_common(key, options))
    show_problem(key)


def lines(key: str, label: str, **options: Any) -> None:
    """A list of texts, one a line."""
    shown = st.session_state.get(_name(key), "")
    same = [line.strip() for line in shown.splitlines() if line.strip()] == values()[key]
    widget = _bind(key, shown if same else "\n".join(values()[key]))  # a blank line while typing is not taken away
    st.text_area(label, key=widget, on_change=_keep, args=(key, _split), **_common(key, options))
    show_problem(key)


def number(key: str, label: str, **options: Any) -> None:
    """A number that may be out of its range or empty: the problem is told below it, not typed over."""
    given = {"step": 1, "value": None, **options}
    st.number_input(label, key=_bind(key, values()[key]), on_change=_keep, args=(key,), **_common(key, given))
    show_problem(key)


def choice(key: str, label: str, choices: dict[str, str]) -> None:
    """One of the texts that a setting may be, by what each is called here."""
    widget = _bind(key, values()[key])
    given = {"format_func": lambda value: choices.get(value, str(value)), **_common(key, {})}
    st.selectbox(label, list(choices), key=widget, on_change=_keep, args=(key,), **given)
    show_problem(key)


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


def _name(key: str) -> str:
    return f"form:{key}"


def _bind(key: str, value: Any) -> str:
    """The widget's key, its state set to the value. Only where they differ: setting it drops what is typed and not yet sent."""
    name = _name(key)
    if name not in st.session_state or st.session_state[name] != value:
        st.session_state[name] = value
    return name


def _keep(key: str, read: Callable[[str], Any] | None = None) -> None:
    value = st.session_state[_name(key)]
    change(form.follow(values(), {key: read(value) if read else value}))


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
