"""What a widget begins with, where the truth of its value is kept elsewhere.

A browser that missed the run of the page in which a widget's state was set, because another came in between, begins with the
widget's default and sends that. So the value is the default, too, in each run in which the state is not set.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fluxgym.form.catalogue import is_same


def bind(key: str, value: Any, default: str = "value") -> dict[str, Any]:
    """The widget's key, and the value under the name that the widget has for its default.

    Its state is set only where it differs: that drops what is typed and not yet sent."""
    if key in st.session_state and is_same(st.session_state[key], value):
        return {"key": key, default: value}
    st.session_state[key] = value
    return {"key": key}


def bind_choice(key: str, value: Any, choices: Sequence[Any]) -> dict[str, Any]:
    """The same for a choice, which begins with a place among its choices."""
    bound = bind(key, value, "index")
    return bound | {"index": choices.index(value)} if "index" in bound else bound
