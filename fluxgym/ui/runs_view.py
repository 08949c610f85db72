"""The parts of the Runs page."""

import math
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from fluxgym.form import form
from fluxgym.run.queue import read_line
from fluxgym.run.record import ENDED
from fluxgym.ui import cards, fields, routes
from fluxgym.view import earlier, words
from fluxgym.view.order import sort_runs
from fluxgym.view.summary import LOOKS, NOT_OURS
from trainer.folder import RunFolder

MOST_CARDS = 20  # more runs under way are shown when they are asked for; of earlier ones more are a table
PAGE = 100  # rows of it that are sent to the browser
CHOSEN = "chosen-runs"  # in the session
ROWS, HEIGHT = 15, 562  # rows without scrolling; px, half of the next one too, to show that there is more
LABELS = {state: label for state, (label, *_) in LOOKS.items()} | {earlier.OTHERS: NOT_OURS[0]}
SIGNS = {"completed": "\u2713", "failed": "\u2715", "stopped": "\u25a0", "lost": "\u25cb"}  # a table's cell takes no icon


def draw_welcome() -> None:
    """What this is and what to begin with, for somebody who has no run yet."""
    with st.container(border=True):
        st.markdown(
            "FluxGym trains a LoRA of FLUX on your images and shows how it goes; "
            "the training goes on when you close this page, and when this server stops."
        )
        st.caption("The demo needs no GPU: a small FLUX that came with it learns a robot from ten pictures in a few minutes.")
        with st.container(horizontal=True):
            if st.button("Try the demo", icon=":material/science:", type="primary"):
                fields.fill(form.demo_values())
                st.switch_page(routes.TRAIN)
            if st.button("New training", icon=":material/add:"):
                st.switch_page(routes.TRAIN)


def draw_active(active: list[RunFolder], ended_before: int) -> None:
    """The runs under way. Draws the whole page anew when one began or ended; `ended_before` had ended."""
    line = read_line()
    now, ended = sort_runs(line, only_text=True, glance=True)
    if set(now) != set(active) or len(ended) != ended_before:
        st.rerun()
    is_long = len(now) > MOST_CARDS  # of a sweep, mostly: those that wait are last
    shown = now if not is_long or st.session_state.get("show-all") else now[:MOST_CARDS]
    for folder in shown:
        cards.draw_card(cards.look_at(folder, line))
    if is_long:
        st.toggle(f"Show all {len(now):,}", key="show-all")
    if ended and not now:
        st.caption("No training is under way.")


def draw_earlier(folders: list[RunFolder]) -> None:
    """Runs that ended, the latest first: cards, or when there are many a table of those that are asked for."""
    if len(folders) < MOST_CARDS:
        for folder in folders:
            cards.draw_card(cards.look_at(folder))
        return
    picked, order, choice = _choose(folders)
    table = st.container()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        told = st.container(width="content")
        pages = math.ceil(len(picked) / PAGE)
        page = st.pagination(pages, key=f"page:{pages}:{choice}") - 1 if pages > 1 else 0  # another choice begins at its first
    shown = picked[PAGE * page : PAGE * (page + 1)]
    told.caption(_tell_count(page, len(shown), len(picked), len(folders)))
    if shown:
        with table:
            _draw_table(shown, key=f"earlier:{hash(tuple(folder.name for folder in shown))}")
    unread = earlier.count_unread(picked)
    if unread and order == earlier.LOWEST:
        st.caption(f"The logs of {words.plural(unread, 'run')} are still being read; until then these come last.")
    if unread or len(picked) < len(folders):
        earlier.fill()


def _choose(folders: list[RunFolder]) -> tuple[list[RunFolder], str, str]:
    """What the person asks for, among all of them; in which order; and what tells this choice from others."""
    in_all = earlier.count_states(folders)
    there = [state for state in (*ENDED, earlier.OTHERS) if in_all[state]]
    for key, value in st.session_state.get(CHOSEN, {}).items():  # a widget forgets it while another page is shown
        st.session_state.setdefault(key, [each for each in value if each in there] if key == "states" else value)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Filter", placeholder="Part of a name", live=True, icon=":material/search:", key="filter")
        order = st.selectbox("Sorted by", earlier.ORDERS, key="order", width=180)
    counts = earlier.count_states(earlier.pick(folders, text)) if text else in_all
    states = st.pills(
        "How it ended",
        there,
        selection_mode="multi",
        format_func=lambda state: f"{SIGNS.get(state, '')} {LABELS[state]} {counts[state]:,}".lstrip(),
        label_visibility="collapsed",
        key="states",
    )
    st.session_state[CHOSEN] = {"filter": text, "order": order, "states": states}
    return earlier.pick(folders, text, states, order), order, f"{text}:{states}:{order}"


def _draw_table(folders: list[RunFolder], key: str) -> None:
    """One row each; the one that is ticked is opened. Sorted by a click on a column only where all are shown."""
    rows = [
        {
            "Run": row.name,
            "State": f"{SIGNS.get(row.state or '', '')} {row.label}".lstrip(),
            "How it ended": row.sentence,
            "Progress": row.progress,
            "Loss": row.loss,
            "Ended": datetime.fromtimestamp(row.ended, UTC) if row.ended else None,
        }
        for row in earlier.tell_rows(folders)
    ]
    columns = {
        "Run": st.column_config.TextColumn(width="medium"),
        "How it ended": st.column_config.TextColumn(width="large"),
        "Loss": st.column_config.NumberColumn(format="%.4f"),
        "Ended": st.column_config.DatetimeColumn(format="distance"),
    }
    height: Any = HEIGHT if len(rows) > ROWS else "auto"
    picks: Any = {"on_select": "rerun", "selection_mode": "single-row"}
    chosen = st.dataframe(rows, hide_index=True, column_config=columns, key=key, height=height, **picks)
    if picked := chosen["selection"]["rows"]:
        routes.open_run(folders[picked[0]].name)


def _tell_count(page: int, shown: int, picked: int, there: int) -> str:
    """1 to 100 of 8,120 runs, of 10,000. Tick one to open it; the head of a column sorts these rows."""
    how = "Tick one to open it; the head of a column sorts these rows."
    if not picked:
        return f"None of the {there:,} runs fits. The filter looks for a part of a name."
    among = f", of {there:,}" if picked < there else ""
    if shown == picked:
        return f"{picked:,} of {there:,} runs. Tick one to open it."
    return f"{PAGE * page + 1:,} to {PAGE * page + shown:,} of {picked:,} runs{among}. {how}"
