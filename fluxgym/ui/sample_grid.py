"""Samples as they change: a row for each prompt, a column for each epoch, the base model first."""

from html import escape

import streamlit as st

from fluxgym.ui import routes
from fluxgym.ui.cards import Look
from fluxgym.view import samples

SIDE = 150  # px, the least width of a picture


def draw_recent(look: Look, columns: int) -> None:
    """The base model and the latest columns; nothing at all for a run that draws no samples."""
    grid = samples.grid(look.folder)
    if not grid.rows:
        return
    with st.container(border=True):
        st.markdown("**Samples**")
        st.html(_table(look, grid, [grid.columns[0], *grid.columns[1:][-(columns - 1) :]] if grid.columns else []))


def draw_all(look: Look) -> None:
    """Every sample there is."""
    grid = samples.grid(look.folder)
    if not grid.rows:
        st.caption("This run draws no samples: its settings have no prompts.")
        return
    st.html(_table(look, grid, grid.columns))
