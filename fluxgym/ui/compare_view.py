"""The Compare page below its title: which runs, their losses in one chart, where their settings differ, their samples.

What can be chosen lies outside of the part that is drawn again, so that a refresh touches none of it."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote, unquote

import streamlit as st

from fluxgym.run.folders import list_opened
from fluxgym.ui import cards, compare_feed
from fluxgym.ui.cards import Look
from fluxgym.ui.chart import draw_fed_chart
from fluxgym.ui.progress_tab import draw_controls
from fluxgym.ui.sample_grid import draw_beside
from fluxgym.ui.text import plain
from fluxgym.view import compare, overlay, samples
from fluxgym.view.compare import Difference
from fluxgym.view.known_settings import NOTHING, read_known
from fluxgym.view.order import sort_runs
from fluxgym.view.sample_names import Column
from trainer.folder import RunFolder

CHART = 372  # px, with the line of text below
CHOSEN, KEPT = "compared", "compared_before"  # the widget's own value is dropped with a switch of pages
OFFERED = 200  # of the latest runs: a browser is sent no list of thousands; any other can be typed
LATEST = "Latest"
STYLE = """<style>
.fluxgym-compare{overflow-x:auto;scrollbar-color:rgba(128,128,128,0.6) transparent}
.fluxgym-compare table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}
.fluxgym-compare table{width:100%;table-layout:fixed;min-width:calc(8rem + var(--runs) * 8rem)}
.fluxgym-compare th,.fluxgym-compare td{padding:0.4rem 1.25rem 0.4rem 0;text-align:left;vertical-align:top;border:0}
.fluxgym-compare th,.fluxgym-compare td{overflow-wrap:anywhere}
.fluxgym-compare tbody tr>*{border-top:1px solid rgba(128,128,128,0.2)}
.fluxgym-compare th[scope=row]{font-weight:400;width:12rem;color:inherit;opacity:0.75}
.fluxgym-compare th[scope=rowgroup]{font-weight:600;padding-top:1.2rem}
.fluxgym-compare tbody+tbody tr:first-child>*{border-top:0}
.fluxgym-compare thead th{font-weight:600}
.fluxgym-compare .name{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden}
.fluxgym-compare a{color:inherit;text-decoration-color:rgba(128,128,128,0.5)}
.fluxgym-compare .dot{display:inline-block;width:0.7em;height:0.7em;border-radius:50%;margin-right:0.45em}
.fluxgym-compare .unknown{opacity:0.5}
.fluxgym-compare .best{font-weight:600}
@media (max-width:640px){ /* a phone shows no scroll bar: a faded edge says that there is more */
.fluxgym-compare{mask-image:linear-gradient(to right,#000 calc(100% - 2.5rem),transparent)}
.fluxgym-compare table{padding-right:2.5rem}
.fluxgym-compare th,.fluxgym-compare td{padding-right:0.75rem}
.fluxgym-compare th[scope=row]{width:7rem;font-size:0.9rem}
.fluxgym-compare table{min-width:calc(7rem + var(--runs) * 7rem)}
}
</style>"""


# ---- what is chosen --------------------------------------------------------------------------------------------------
def choose() -> list[RunFolder]:
    """The runs to compare, chosen here and in the address: ?runs=a,b. At first the two latest."""
    there = {folder.name: folder for part in sort_runs(only_text=True) for folder in part}
    there |= {folder.name: folder for folder in list_opened() if folder.path.is_dir()}
    return _choose(there, list(there)[:2], "")


def choose_of(sweep: str, members: Sequence[RunFolder], first: Sequence[RunFolder]) -> list[RunFolder]:
    """The same among the runs of a sweep. `first`: those that are chosen at first, of which no more are taken than fit."""
    there = {folder.name: folder for folder in members}
    return _choose(there, [folder.name for folder in first][: compare.MOST], f":{sweep}")


def _choose(there: dict[str, RunFolder], first: Sequence[str], of: str) -> list[RunFolder]:
    """`of`: tells the choices of one sweep from others."""
    chosen, kept = f"{CHOSEN}{of}", f"{KEPT}{of}"
    asked = [unquote(name) for name in st.query_params.get("runs", "").split(",") if name]
    if chosen not in st.session_state:
        st.session_state[chosen] = asked or st.session_state.get(kept) or list(first)
    if gone := [name for name in st.session_state[chosen] if name not in there]:
        st.caption(plain(f"Not there: {', '.join(name[:80] for name in gone)}"))
    known = [name for name in dict.fromkeys(st.session_state[chosen]) if name in there]
    if more := known[compare.MOST :]:
        st.caption(plain(f"Left out, as at most {compare.MOST} are shown: {', '.join(there[name].title for name in more)}"))
    st.session_state[chosen] = known[: compare.MOST]
    has_more = len(there) > OFFERED
    offered = [name for place, name in enumerate(there) if place < OFFERED or there[name].is_read_only]
    names = st.multiselect(
        "Runs",
        list(dict.fromkeys([*offered, *st.session_state[chosen]])),
        key=chosen,
        max_selections=compare.MOST,
        format_func=lambda name: there[name].title if name in there else name,
        placeholder=f"Choose two to {compare.MOST} runs{', or type the name of an older one' if has_more else ''}",
        label_visibility="collapsed",
        accept_new_options=has_more,
    )
    st.session_state[kept] = names
    address = compare_feed.join(names)
    if names and st.query_params.get("runs") != address:
        st.query_params["runs"] = address
    return [there[name] for name in names]


# ---- what is drawn again ---------------------------------------------------------------------------------------------
def draw(folders: list[RunFolder], is_live: bool) -> None:
    """`is_live`: whether one of them was under way when the whole page was drawn; it is drawn anew once that changes."""
    looks = [cards.look_at(folder) for folder in folders if folder.path.is_dir()]
    if len(looks) < len(folders) or any(look.status.is_active for look in looks) != is_live:
        st.rerun()
    _draw_charts(looks)
    known = [read_known(folder) for folder in folders]
    differences = compare.find_differences(known)
    with st.container(border=True):
        st.markdown("**How they did, and the settings in which they differ**")
        measure = compare.tell_measure(known, differences)
        st.html(_table(looks, differences, is_one_measure=not measure))
        if measure:
            st.caption(plain(measure))
        silent = [folder.title for folder, each in zip(folders, known, strict=True) if each.source == NOTHING]
        if silent:
            st.caption(plain(f"Nothing in the folder says the settings of {' and '.join(silent)}."))
        elif not differences:
            st.caption("No setting that is known of at least two of them differs.")
    _draw_samples(folders)


def _draw_charts(looks: list[Look]) -> None:
    """The browser fetches both charts from compare_feed.py, which sends it what is new."""
    has_validation = any(look.history.validation for look in looks)
    left, right = st.columns([3, 2], border=True) if has_validation else (st.container(border=True), None)
    with left:
        view = draw_controls("Loss, smoothed", may_clip=False)
    url = compare_feed.charts_url([look.folder.name for look in looks], view)
    version = " ".join(str(look.history.version) for look in looks)
    names = ", ".join(look.folder.title for look in looks)
    with left:
        draw_fed_chart((url, "loss", version), "compare:loss", CHART, f"Smoothed losses of {names} by {view.axis}.")
    if right:
        with right:
            with st.container(horizontal=True, vertical_alignment="center", key="epoch-head"):
                st.markdown("**Validation loss**")
            alt = f"Validation losses of {names} by {view.axis}."
            draw_fed_chart((url, "validation", version), "compare:validation", CHART, alt)


def _table(looks: list[Look], differences: list[Difference], is_one_measure: bool) -> str:
    numbers = compare.list_numbers([(look.history, look.summary) for look in looks], is_one_measure)
    head = [_name(look.folder, place) for place, look in enumerate(looks)]
    title = f'<tr><th scope="rowgroup" colspan="{len(looks) + 1}">Settings that differ</th></tr>'
    bodies = ["".join(map(_row, numbers)), title + "".join(map(_row, differences)) if differences else ""]
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    parts = "".join(f"<tbody>{body}</tbody>" for body in bodies if body)
    table = f'<table><thead><tr><th scope="row"></th>{cells}</tr></thead>{parts}</table>'
    return f'{STYLE}<div class="fluxgym-compare" style="--runs:{len(head)}">{table}</div>'


def _row(told: Difference) -> str:
    cells = "".join(_cell(value, place == told.best) for place, value in enumerate(told.values))
    name = escape(told.name).replace(".", ".<wbr>").replace("_", "_<wbr>")
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _cell(value: str, is_best: bool) -> str:
    kind = "unknown" if value in (compare.UNKNOWN, compare.NOT_SET) else "best" if is_best else ""
    return f'<td class="{kind}">{escape(value)}</td>'


def _name(folder: RunFolder, place: int) -> str:
    """A run in the colour of its line; leads to its page."""
    address = escape(f"run?run={quote(folder.name, safe='')}", quote=True)
    dot = f'<span class="dot" style="background:{overlay.COLOURS[place]}"></span>'
    title = escape(folder.title, quote=True)
    return f'<span class="name" title="{title}">{dot}<a href="{address}" target="_self">{title}</a></span>'


# ---- samples ---------------------------------------------------------------------------------------------------------
def _draw_samples(folders: list[RunFolder]) -> None:
    grids = [samples.grid(folder) for folder in folders]
    moments = compare.list_moments(grids)
    if not moments:
        return
    with st.container(border=True):
        st.markdown("**Samples of the same prompt and seed**")
        moment = _choose_moment(moments)
        rows, others = compare.match_samples(grids, moment)
        if rows:
            url = compare_feed.samples_url([folder.name for folder in folders], moment)
            draw_beside(url, compare_feed.find_version(folders, moment), "compare:samples", len(folders))
        if others:
            has = (
                "1 prompt that only one of them draws is"
                if others == 1
                else f"{others:,} prompts that only one of them draws are"
            )
            st.caption(f"{has} not shown.")


def _choose_moment(moments: list[Column]) -> Column | None:
    """When the pictures were drawn; None: the latest of each run."""
    by_label = {moment.label: moment for moment in moments}
    if st.session_state.get("compare_moment", LATEST) not in (*by_label, LATEST):
        st.session_state.compare_moment = LATEST
    label = st.select_slider("Drawn after", [*by_label, LATEST], value=LATEST, key="compare_moment", width=420)
    return by_label.get(label)
