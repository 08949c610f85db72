"""A sweep on the pages: the table of its runs above their comparison, the ways to it, and the end of all of them."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any
from urllib.parse import quote

import streamlit as st

from fluxgym.run.queue import read_line
from fluxgym.run.status import read_status
from fluxgym.sweep.begin import resume_sweep, stop_sweep
from fluxgym.sweep.mark import find_members, read_mark
from fluxgym.ui import cards, compare_view, routes
from fluxgym.ui.cards import Look
from fluxgym.ui.live import EVERY
from fluxgym.ui.text import plain
from fluxgym.view import overlay, sweep_table, words
from fluxgym.view.earlier import count_states
from fluxgym.view.summary import EPOCH_MEAN
from fluxgym.view.sweep_table import Row, Table
from trainer.folder import RunFolder

COMPARE = "Compare the sweep"
LOOKED_AT, MOST_LINES = 20, 3  # runs that ended last; sweeps
BY_SETTING, BY_RESULT = "As set", "Best first"
STYLE = """<style>
.fluxgym-sweep{overflow:auto;max-height:27rem;scrollbar-color:rgba(128,128,128,0.6) transparent}
.fluxgym-sweep table{border-collapse:separate;border-spacing:0;width:100%;font-variant-numeric:tabular-nums}
.fluxgym-sweep th,.fluxgym-sweep td{padding:0.4rem 1.25rem 0.4rem 0;text-align:left;vertical-align:top;border:0}
.fluxgym-sweep th{white-space:nowrap;font-weight:400;opacity:0.75}
.fluxgym-sweep td{white-space:nowrap}
.fluxgym-sweep tbody tr>*{border-top:1px solid rgba(128,128,128,0.2)}
.fluxgym-sweep .number{text-align:right}
.fluxgym-sweep .best>td{font-weight:600}
.fluxgym-sweep .failed{color:color-mix(in srgb,#DC3D43 80%,currentColor)}
.fluxgym-sweep .why{white-space:normal;width:max-content;max-width:24rem;font-size:0.85em}
.fluxgym-sweep a{color:inherit;text-decoration-color:rgba(128,128,128,0.5)}
.fluxgym-sweep .dot{display:inline-block;width:0.7em;height:0.7em;border-radius:50%;margin-right:0.45em}
@media (max-width:640px){ /* a phone shows no scroll bar: a faded edge says that there is more */
.fluxgym-sweep{mask-image:linear-gradient(to right,#000 calc(100% - 2.5rem),transparent)}
.fluxgym-sweep table{padding-right:2.5rem}
.fluxgym-sweep th,.fluxgym-sweep td{padding-right:0.75rem}
.fluxgym-sweep .why{max-width:10rem}
}
</style>"""


def in_view() -> str:
    """The sweep that the address names; empty where it names none."""
    return st.query_params.get("sweep", "")


def draw_actions(sweep: str, members: Sequence[RunFolder]) -> None:
    """Stop all, where one is under way; Resume all, where none is and some ended before their end."""
    seen = [read_status(folder) for folder in members]
    if any(status.is_active for status in seen):
        if st.button("Stop all", icon=":material/stop_circle:"):
            _ask_to_stop(sweep)
    elif any(status.resumable or status.can_restart for status in seen):
        st.button("Resume all", icon=":material/resume:", on_click=_do, args=(resume_sweep, sweep))


@st.dialog("Stop all runs of this sweep?", icon=":material/stop_circle:")
def _ask_to_stop(sweep: str) -> None:
    """What waits loses its place, what trains saves its state."""
    active = [status for folder in find_members(sweep) if (status := read_status(folder)).is_active]
    waiting = sum(status.state == "queued" for status in active)
    trains = len(active) - waiting
    line = ["1 run that waits leaves the line.", f"{waiting:,} runs that wait leave the line."][waiting > 1]
    step = "finishes its step and saves its state" if trains == 1 else "finish their step and save their states"
    told = [line] * bool(waiting) + [f"{words.plural(trains, 'run')} under way {step}."] * bool(trains)
    st.markdown(f"**{plain(sweep)}**: {plain(' '.join(told) or 'None is under way any more.')}")
    st.caption("Each can be resumed.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Let them run"):
            st.rerun()
        if st.button("Stop all", type="primary", key="stop-all-confirmed", on_click=_do, args=(stop_sweep, sweep)):
            st.rerun()


def _do(what: Callable[[str], object], sweep: str) -> None:
    try:
        what(sweep)
    except (ValueError, OSError) as error:  # a RunError: the message says what can be done
        st.session_state.refusal = str(error)


# ---- the ways to it --------------------------------------------------------------------------------------------------
def draw_way(folder: RunFolder) -> None:
    """On the page of a run: the way to all runs of its sweep."""
    mark = read_mark(folder)
    if mark and st.button(COMPARE, icon=":material/compare_arrows:", type="tertiary", key=f"sweep:{folder.name}"):
        routes.open_sweep(mark.sweep)


def draw_recent(active: Sequence[RunFolder], earlier: Sequence[RunFolder]) -> None:
    """On the Runs page: the sweeps of which a run is under way, or is among those that ended last; a line for each."""
    sweeps = {mark.sweep: None for folder in [*active, *earlier[:LOOKED_AT]] if (mark := read_mark(folder))}
    for sweep in list(sweeps)[:MOST_LINES]:
        members = find_members(sweep)
        told = sweep_table.tell_sweep([*count_states(members).elements()])
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"sweep-line:{sweep}"):
            st.markdown(f"Sweep **{plain(sweep)}**, {plain(told)}", width="content")
            if st.button(COMPARE, icon=":material/compare_arrows:", type="tertiary", key=f"sweep:{sweep}"):
                routes.open_sweep(sweep)


def draw_way_of(folders: Sequence[RunFolder]) -> None:
    """On the Compare page: the way to all runs of the sweep of which these are."""
    sweeps = {mark.sweep if mark else "" for mark in map(read_mark, folders)}
    sweep = sweeps.pop() if len(sweeps) == 1 else ""
    has_more = bool(sweep) and len(find_members(sweep)) > len(folders)
    if has_more and st.button("Compare the whole sweep", icon=":material/compare_arrows:", type="tertiary"):
        routes.open_sweep(sweep)


# ---- the table -------------------------------------------------------------------------------------------------------
def draw(sweep: str, members: Sequence[RunFolder]) -> list[RunFolder]:
    """The table, drawn again while a run is under way, and below it the choice of those that are compared closely: at first
    those that are best. They are returned."""
    above = st.container()
    looks = look_at(members)
    table = make_table(looks)
    chosen = compare_view.choose_of(sweep, members, [table.rows[place].folder for place in sweep_table.rank(table)])
    shown = [folder.name for folder in chosen]
    face = find_face(looks)
    with above.container(border=True, key="sweep-table"):
        best_first = draw_order()
        again = EVERY if any(look.status.is_active for look in looks) else None
        st.fragment(partial(draw_table, sweep, face, best_first, shown), run_every=again)()
    return chosen


def look_at(members: Sequence[RunFolder]) -> list[Look]:
    """The runs at this moment, without those that were taken away."""
    line = read_line()
    return [cards.look_at(folder, line) for folder in members if folder.path.is_dir()]


def make_table(looks: Sequence[Look]) -> Table:
    return sweep_table.make_table([(look.folder, look.history, look.summary) for look in looks])


def find_face(looks: Sequence[Look]) -> tuple[object, ...]:
    """What is drawn outside of the refreshing part depends on it."""
    return tuple(look.folder.name for look in looks), any(look.status.is_active for look in looks)


def draw_order() -> bool:
    """Whether the best is to be first."""
    given: dict[str, Any] = {"default": BY_SETTING, "required": True, "label_visibility": "collapsed"}
    return st.segmented_control("Order", [BY_SETTING, BY_RESULT], key="sweep-order", **given) == BY_RESULT


def draw_table(sweep: str, face: tuple[object, ...], best_first: bool, shown: Sequence[str]) -> None:
    """`face`: as find_face told it when the whole page was drawn. `shown`: the names of the runs that are in the charts, in the
    order of their colours."""
    looks = look_at(find_members(sweep))
    if find_face(looks) != face:
        st.rerun()
    table = make_table(looks)
    order = sweep_table.rank(table) if best_first else list(range(len(table.rows)))
    st.markdown(plain(sweep_table.tell_sweep([row.summary.state for row in table.rows])))
    st.html(_write(table, order, shown))
    if told := sweep_table.tell_best(table):
        st.caption(plain(told))


def _write(table: Table, order: Sequence[int], shown: Sequence[str]) -> str:
    heads = ["Run", *table.names, "State", "Progress", "Lowest validation", EPOCH_MEAN]
    right = len(heads) - 2
    cells = "".join(f'<th scope="col"{_align(place >= right)}>{escape(head)}</th>' for place, head in enumerate(heads))
    rows = "".join(_row(table.rows[place], place == table.best, shown) for place in order)
    return f'{STYLE}<div class="fluxgym-sweep"><table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: Row, is_best: bool, shown: Sequence[str]) -> str:
    colour = overlay.COLOURS[shown.index(row.folder.name)] if row.folder.name in shown else "transparent"
    address = escape(f"run?run={quote(row.folder.name, safe='')}", quote=True)
    dot = f'<span class="dot" style="background:{colour}"></span>'
    best = " (best)" if is_best else ""
    cells = [f'<td>{dot}<a href="{address}" target="_self">{escape(row.folder.name)}</a>{best}</td>']
    cells += [f"<td>{escape(value)}</td>" for value in row.chosen]
    state = escape(row.state)
    if row.why:
        state = f'<span class="failed">{state}</span><div class="why">{escape(row.why)}</div>'
    cells += [f"<td>{state}</td><td>{escape(row.progress)}</td>"]
    cells += [f"<td{_align(True)}>{escape(number)}</td>" for number in row.numbers]
    return f"<tr{' class=best' if is_best else ''}>{''.join(cells)}</tr>"


def _align(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
