"""The images of a data set with their captions, on a page: looked at, searched, selected, edited.

It talks to set_files.py itself, so that typing, scrolling and filtering wait for no run of the page's script."""

from pathlib import Path

import streamlit as st

from fluxgym.dataset.captions import is_editable
from fluxgym.ui.component import declare
from fluxgym.ui.log_box import read_parts
from fluxgym.ui.set_files import board_url

_mount = declare(
    "fluxgym_captions",
    html='\n<div class="fluxgym-set"></div>\n',
    css=read_parts("caption_grid.css"),
    js=read_parts("caption_card.js", "caption_bulk.js", "caption_grid.js"),
)


def draw_captions(place: Path, trigger: str, resolution: int, height: str = "") -> None:
    """Draws the data set in a folder or a dataset.toml. `height`: of the box in which it scrolls, as CSS has it; the page's
    own where it is empty. The page is run again a moment after a caption was kept, so that what it counts is right."""
    data = {"place": str(place), "url": board_url(place, resolution), "trigger": trigger, "height": height}
    _mount(key=f"captions:{place}", data=data, on_changed_change=_count_anew)
    if not is_editable(place):
        st.caption("These images came with FluxGym: they are only looked at.")


def _count_anew() -> None:
    """The run of the page that follows is all that is wanted."""
