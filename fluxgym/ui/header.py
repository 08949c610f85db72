"""The first row of a page: its title on the left, what can be pressed on the right, on one line where there is room. And what
the browser's tab says."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fluxgym.ui.text import plain


def draw_header(title: str, tab: str = "") -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draws the title. Returns the places beside it and at the right end. `tab`: what the browser's tab says instead of it."""
    name_tab(tab or f"{title} - FluxGym")
    left, right = st.container(key="header").columns(2, vertical_alignment="center")
    beside = left.container(horizontal=True, vertical_alignment="center")
    beside.title(plain(title), anchor=False, width="content")
    return beside, right.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")


def name_tab(text: str) -> None:
    """What the browser's tab says, from now on; also from a refreshing part."""
    st.set_page_config(page_title=text)
