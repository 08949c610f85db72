"""The parts of the Runs page."""

from typing import Any

import streamlit as st

from fluxgym.run.queue import read_line
from fluxgym.ui import cards, routes
from fluxgym.view import words
from fluxgym.view.order import sort_runs
from fluxgym.view.summary import smoothed_loss
from trainer.folder import RunFolder

MOST_CARDS = 20  # earlier runs; more of them are a table
SIGNS = {"completed": "\u2713", "failed": "\u2715", "stopped": "\u25a0", "lost": "\u25cb"}  # a table's cell takes no icon


def draw_welcome() -> bool:
    """What this is, for somebody who has no run yet. Whether the demo was asked for."""
    with st.container(border=True):
        st.markdown(
            "FluxGym trains a LoRA of FLUX on your images and shows how it goes; "
            "the training goes on when you close this page, and when this server stops."
        )
        st.caption("The demo needs no GPU: a small FLUX that came with it learns a robot from ten pictures in a few minutes.")
        with st.container(horizontal=True):
            is_wanted = st.button("Try the demo", icon=":material/science:", type="primary")
            if st.button("New training", icon=":material/add:"):
                st.switch_page(routes.TRAIN)
    return is_wanted


def draw_active(active: list[RunFolder], earlier: int) -> None:
    """The runs under way. Draws the whole page anew when one began or ended; `earlier` ended before."""
    line = read_line()
    now, ended = sort_runs(line, only_text=True)
    if set(now) != set(active) or len(ended) != earlier:
        st.rerun()
    for folder in now:
        cards.draw_card(cards.look_at(folder, line))
    if ended and not now:
        st.caption("No training is under way.")


def draw_earlier(folders: list[RunFolder]) -> None:
    """Runs that ended, the latest first: cards, or when there are many a table that can be filtered."""
    if len(folders) < MOST_CARDS:
        for folder in folders:
            cards.draw_card(cards.look_at(folder))
        return
    wanted = st.text_input("Filter", placeholder="Part of a name", live=True, icon=":material/search:", key="filter").lower()
    looks = [cards.look_at(folder) for folder in folders if wanted in folder.name.lower()]
    rows = [
        {
            "Run": look.folder.name,
            "State": f"{SIGNS.get(look.summary.state or '', '')} {look.summary.label}".lstrip(),
            "How it ended": look.summary.sentence,
            "Progress": look.summary.progress_text,
            "Loss": words.loss4(smoothed_loss(look.history)),
            "Last line": words.age(look.history.last_line_age_seconds),
        }
        for look in looks
    ]
    widths = {"How it ended": st.column_config.TextColumn(width="large")}
    picks: Any = {"on_select": "rerun", "selection_mode": "single-row"}
    chosen = st.dataframe(rows, hide_index=True, column_config=widths, key=f"earlier:{wanted}", **picks)
    if picked := chosen["selection"]["rows"]:
        routes.open_run(looks[picked[0]].folder.name)
    st.caption(f"{len(rows)} of {len(folders)} runs. Select one to open it.")
