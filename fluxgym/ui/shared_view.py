"""What a visitor sees of a run: how it goes, its charts, and what its owner's link shows besides. Nothing here can be pressed.

All of it is made once a second for all visitors together (fluxgym/view/visitor_look.py), from our own words and numbers; what
the run says is redacted there."""

import logging
import time
from collections.abc import Collection
from html import escape
from urllib.parse import quote

import streamlit as st

from fluxgym.access.redact import redactor_of
from fluxgym.ui import cards, chart_feed, sample_grid
from fluxgym.ui.chart import draw_fed_chart
from fluxgym.ui.log_box import draw_log
from fluxgym.ui.text import plain
from fluxgym.view import samples, visitor_look, words
from fluxgym.view.charts import View
from fluxgym.view.health import get_health
from fluxgym.view.visitor_look import Seen
from trainer.folder import RunFolder

LOSS, LOG, SETTINGS = 320, 340, 340  # px
RECENT = 6  # columns of samples
# A page to look at: no buttons beside texts, no bar above, and not wider than is read at ease.
_STYLE = """<style>
.st-key-style{position:absolute;width:0;height:0;overflow:hidden}
.stMain .stMainBlockContainer{padding:1.75rem 1.5rem 2rem;max-width:74rem}
.stMainBlockContainer .fluxgym-samples{--cell:clamp(5.5rem,10vw,8.4rem)}
.stAppHeader,[data-testid="stBaseButton-elementToolbar"],.fluxgym-log button,.fluxgym-chart .modebar-container{display:none}
.fluxgym-downloads a{display:flex;flex-wrap:wrap;gap:.1rem 1rem;align-items:baseline;padding:.5rem 0;color:inherit;
  text-decoration:none}
.fluxgym-downloads a+a{border-top:1px solid rgba(128,128,128,.2)}
.fluxgym-downloads .name{flex:1 1 16rem;overflow-wrap:anywhere;text-decoration:underline;text-underline-offset:.2em;
  text-decoration-color:rgba(128,128,128,.6)}
.fluxgym-downloads a:hover .name{text-decoration-color:currentColor}
.fluxgym-downloads small{font-size:.85rem;opacity:.65;font-variant-numeric:tabular-nums;white-space:nowrap}
@media (max-width:640px){
.stMain .stMainBlockContainer{padding:1rem 1rem 2rem}
.fluxgym-log .lines{white-space:pre-wrap;overflow-wrap:anywhere}
.fluxgym-log .lines > div{width:auto}
}
</style>
<i></i>
"""


def draw_style() -> None:
    """How the page looks. A text of nothing but styles, of a page that is not the script itself, is gone after a refresh."""
    with st.container(key="style"):
        st.html(_STYLE)


def name(folder: RunFolder) -> str:
    """What the run is called to a visitor."""
    return redactor_of(folder).text(folder.title)


def draw(folder: RunFolder, parts: Collection[str]) -> None:
    """The run as it is now. `parts`: what is shown beside progress and charts, see fluxgym.access.links.PARTS."""
    try:
        if not folder.path.is_dir():
            st.markdown("This run is not there any more.")
            return
        _draw(visitor_look.look_at(folder), parts)
    except Exception:  # Streamlit would show a visitor where in our files it happened
        logging.getLogger(__name__).exception("the shared page of %s cannot be drawn", folder.name)
        st.markdown("It cannot be shown at the moment. It is tried again in a few seconds.")


def draw_end(expires: float | None) -> None:
    """The last line: what this is, and for how long."""
    until = time.strftime("%-d %B %Y, %H:%M UTC", time.gmtime(expires)) if expires else ""
    valid = f"It is valid until {until}." if until else "It is valid until its owner takes it back."
    st.caption(f"Shown by FluxGym. This link shows one training and can change nothing. {valid}")


def _draw(seen: Seen, parts: Collection[str]) -> None:
    folder, summary = seen.folder, seen.summary
    with st.container(horizontal=True, vertical_alignment="center", key="shared-head"):
        st.title(plain(name(folder)), anchor=False, width="content")
        cards.draw_badge(summary)
    st.markdown(plain(summary.sentence))
    st.progress(summary.progress, text=plain(summary.progress_text))
    cards.draw_numbers(summary)
    _draw_charts(seen)
    if "samples" in parts:
        _draw_samples(seen)
    if "log" in parts:
        with st.container(border=True):
            st.markdown("**Log**")
            draw_log(visitor_look.read_lines(folder), f"log:{folder.name}", "The last lines of the log", LOG)
    if "checkpoints" in parts:
        _draw_files(folder)
    if "settings" in parts and (settings := visitor_look.read_settings(folder)):
        with st.container(border=True):
            st.markdown("**Settings**")
            st.code(settings, language="toml", height=SETTINGS)


def _draw_charts(seen: Seen) -> None:
    name = seen.folder.name
    url = chart_feed.chart_url(name, chart_feed.LEARNS, View())
    version = f"{seen.history.version}.{get_health(seen.folder.monitor_log).version}"
    left, right = st.columns([2, 1], border=True)
    with left:
        st.markdown("**Loss**")
        draw_fed_chart((url, "loss", version), f"loss:{name}", LOSS, f"Loss, from {seen.history.points:,} steps.")
    with right:
        st.markdown("**Mean loss by epoch**")
        draw_fed_chart((url, "epochs", version), f"epochs:{name}", LOSS, "Mean loss by epoch.")


def _draw_samples(seen: Seen) -> None:
    look = cards.Look(seen.folder, seen.status, seen.history, seen.summary)
    if samples.grid(seen.folder).rows:
        sample_grid.draw_recent(look, RECENT)
    else:
        with st.container(border=True):
            st.markdown("**Samples**")
            st.caption("None so far.")


def _draw_files(folder: RunFolder) -> None:
    with st.container(border=True):
        st.markdown("**LoRA files**")
        files = visitor_look.list_files(folder)
        if files:
            st.html(f'<div class="fluxgym-downloads">{"".join(_row(folder, entry) for entry in files)}</div>')
        else:
            st.caption("None so far.")


def _row(folder: RunFolder, entry: visitor_look.Entry) -> str:
    url = f"files/{quote(folder.name, safe='')}/lora/{quote(entry.place)}"
    name = escape(redactor_of(folder).text(entry.place))
    told = f"{escape(entry.lora.label)}, {words.size(entry.lora.size)}"
    return f'<a href="{escape(url, quote=True)}" download><span class="name">{name}</span><small>{told}</small></a>'
