"""Samples as they change: a row for each prompt, a column for each epoch, the base model first; a click shows one in full size.

The page is only told which version of the grid there is: the browser fetches it from pictures.py when that is another."""

from pathlib import Path

import streamlit as st

from fluxgym.run.record import ENDED
from fluxgym.ui.cards import Look
from fluxgym.ui.component import declare
from fluxgym.ui.pictures import grid_url
from fluxgym.view import samples
from fluxgym.view.samples import Grid

_FOLDERS = (Path(__file__).parent, Path(samples.__file__).parent)  # the second has what a frozen run shows too
_BOX = """
<div class="fluxgym-samples">
  <div class="bar"><span class="count"></span><span class="choices"></span></div>
  <div class="scrolls"><div class="table" role="table"></div></div>
  <div class="trouble" role="status"></div>
</div>
"""


def read_parts(*names: str) -> str:
    """Scripts or style sheets behind each other, as one."""
    files = [next(path for folder in _FOLDERS if (path := folder / name).is_file()) for name in names]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


_mount = declare(
    "fluxgym_samples",
    html=_BOX,
    css=read_parts("sample_grid.css", "viewer.css"),
    js=read_parts("viewer.js", "sample_grid.js"),
)


def draw_recent(look: Look, most: int) -> None:
    """About `most` columns from the base model to the latest, as it learned; nothing for a run that draws no samples."""
    grid = samples.grid(look.folder)
    if grid.rows:
        with st.container(border=True):
            st.markdown("**Samples**")
            _draw(look, grid, most)


def draw_all(look: Look) -> None:
    """Every sample there is: the base model, then the newest first, so that they are in view without scrolling."""
    grid = samples.grid(look.folder)
    with st.container(border=True):
        if grid.rows:
            _draw(look, grid, 0)
        else:
            st.caption(_tell_none(look))


def draw_beside(url: str, version: str, key: str, count: int) -> None:
    """The samples of `count` runs, a column for each, which `url` tells (compare_feed.py)."""
    _mount(key=key, data={"url": url, "version": version, "most": count, "beside": True})


def _draw(look: Look, grid: Grid, most: int) -> None:
    """`most` columns, 0 for all of them."""
    data = {"url": grid_url(look.folder.name), "version": grid.version, "most": most}
    _mount(key=f"samples:{most}:{look.folder.name}", data=data)
    if not grid.columns:
        st.caption(_tell_none(look, has_prompts=True))


def _tell_none(look: Look, has_prompts: bool = False) -> str:
    if look.folder.is_read_only:
        return "No samples here. They are looked for in sample, samples and validation_images."
    if not has_prompts:
        return "This run draws no samples: its settings have no prompts."
    if look.status.state in ENDED:
        return "No samples were drawn."
    return "No samples yet." if look.history.step else "No samples yet: the first are drawn before the first step."
