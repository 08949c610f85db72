"""Texts from outside (names, captions, log lines) made harmless for the places where Streamlit reads markdown."""

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=])")


def red(text: str) -> str:
    """Markdown of a problem: small, in the theme's full red. st.caption would take off 40 % of the contrast."""
    return f":small[:red[:material/error: {plain(text)}]]"


def plain(text: str) -> str:
    """The text so that markdown shows it as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
