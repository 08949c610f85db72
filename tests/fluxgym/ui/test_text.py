"""Texts from outside show as they are, whatever markdown makes of their signs."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.ui.text import plain, red


@pytest.mark.parametrize("text", ["*a* _b_ `c`", "[x](javascript:1)", "$a$ :red[x] :material/x: # <b>", "~~x~~ \\ ![i](u) |"])
def test_no_sign_keeps_its_meaning(text: str) -> None:
    shown = plain(text)
    assert [shown[number - 1] for number, sign in enumerate(shown) if sign in "*_`[$:<#~!|" and number] == ["\\"] * sum(
        sign in "*_`[$:<#~!|" for sign in text
    )
    assert shown.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == text


def test_lines_become_one() -> None:
    assert plain("a\n\n# b\tc") == "a \\# b c"


def test_streamlit_takes_it() -> None:
    page = AppTest.from_string(f"import streamlit as st\nst.markdown({plain(':red[x')!r})").run()
    assert not page.exception


def test_a_problem_is_red_and_its_text_harmless() -> None:
    assert red("a ] *b*") == r":small[:red[:material/error: a \] \*b\*]]"
