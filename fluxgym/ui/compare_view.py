"""The Compare page below its title: which runs, their losses in one chart, where their settings differ, their samples.

What can be chosen lies outside of the part that is drawn again, so that a refresh touches none of it."""

from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st

from fluxgym.run.folders import list_opened
from fluxgym.ui import cards
from fluxgym.ui.cards import Look
from fluxgym.ui.chart import draw_chart
from fluxgym.ui.pictures import picture_url
from fluxgym.ui.text import plain
from fluxgym.view import compare, overlay, samples
from fluxgym.view.compare import Difference, Pictures
from fluxgym.view.curves import AXES, STEP
from fluxgym.view.downsample import SMOOTHING
from fluxgym.view.known_settings import NOTHING, read_known
from fluxgym.view.order import sort_runs
from fluxgym.view.sample_names import Column
from trainer.folder import RunFolder

CHART = 340  # px
CHOSEN, KEPT = "compared", "compared_before"  # the widget's own value is dropped with a switch of pages
LATEST = "Latest"
LINEAR, LOGARITHMIC = SCALES = ("Linear", "Logarithmic")
STYLE = """<style>
.fluxgym-compare{overflow-x:auto;scrollbar-color:rgba(128,128,128,0.6) transparent}
.fluxgym-compare table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}
.fluxgym-compare.numbers table{width:100%;table-layout:fixed;min-width:calc(8rem + var(--runs) * 8rem)}
.fluxgym-compare th,.fluxgym-compare td{padding:0.4rem 1.25rem 0.4rem 0;text-align:left;vertical-align:top;border:0}
.fluxgym-compare th,.fluxgym-compare td{overflow-wrap:anywhere}
.fluxgym-compare.numbers tbody tr>*{border-top:1px solid rgba(128,128,128,0.2)}
.fluxgym-compare th[scope=row]{font-weight:400;width:12rem;color:inherit;opacity:0.75}
.fluxgym-compare th[scope=rowgroup]{font-weight:600;padding-top:1.2rem}
.fluxgym-compare.numbers tbody+tbody tr:first-child>*{border-top:0}
.fluxgym-compare thead th{font-weight:600}
.fluxgym-compare .name{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden}
.fluxgym-compare a{color:inherit;text-decoration-color:rgba(128,128,128,0.5)}
.fluxgym-compare small{display:block;font-size:0.85rem;font-weight:400;opacity:0.75}
.fluxgym-compare .dot{display:inline-block;width:0.7em;height:0.7em;border-radius:50%;margin-right:0.45em}
.fluxgym-compare .unknown{opacity:0.5}
.fluxgym-compare .best{font-weight:600}
.fluxgym-compare.samples th[scope=row]{min-width:6.5rem}
.fluxgym-compare.samples th[scope=col],.fluxgym-compare .cell{width:clamp(6.5rem,calc(56vw / var(--runs)),18rem)}
.fluxgym-compare .cell{aspect-ratio:1;border-radius:0.5rem;background:rgba(128,128,128,0.12)}
.fluxgym-compare img{width:100%;height:100%;object-fit:contain;border-radius:0.5rem;display:block}
@media (max-width:640px){ /* a phone shows no scroll bar: a faded edge says that there is more */
.fluxgym-compare{mask-image:linear-gradient(to right,#000 calc(100% - 2.5rem),transparent)}
.fluxgym-compare table{padding-right:2.5rem}
.fluxgym-compare th,.fluxgym-compare td{padding-right:0.75rem}
.fluxgym-compare th[scope=row]{width:6.5rem}
.fluxgym-compare.numbers table{min-width:calc(6.5rem + var(--runs) * 7rem)}
}
</style>"""


# ---- what is chosen --------------------------------------------------------------------------------------------------
def choose() -> list[RunFolder]:
    """The runs to compare, chosen here and in the address: ?runs=a,b. At first the two latest."""
    there = {folder.name: folder for part in sort_runs() for folder in part}
    there |= {folder.name: folder for folder in list_opened() if folder.path.is_dir()}
    asked = [unquote(name) for name in st.query_params.get("runs", "").split(",") if name]
    if CHOSEN not in st.session_state:
        st.session_state[CHOSEN] = asked or st.session_state.get(KEPT) or list(there)[:2]
        gone = [name for name in asked if name not in there]
        if gone:
            st.caption(plain(f"Not there: {', '.join(name[:80] for name in gone)}"))
    st.session_state[CHOSEN] = [name for name in dict.fromkeys(st.session_state[CHOSEN]) if name in there][: compare.MOST]
    names = st.multiselect(
        "Runs",
        list(there),
        key=CHOSEN,
        max_selections=compare.MOST,
        format_func=lambda name: there[name].title if name in there else name,
        placeholder=f"Choose two to {compare.MOST} runs",
        label_visibility="collapsed",
    )
    st.session_state[KEPT] = names
    address = ",".join(quote(name, safe="") for name in names)
    if names and st.query_params.get("runs") != address:
        st.query_params["runs"] = address
    return [there[name] for name in names]


def draw_controls() -> None:
    """How the charts are drawn; kept while the page is open."""
    with st.container(horizontal=True, gap="medium"):
        st.segmented_control("Along", AXES, default=STEP, required=True, format_func=str.capitalize, key="compare_axis")
        st.segmented_control("Scale", SCALES, default=SCALES[0], required=True, key="compare_scale")
        st.slider("Smoothing", 0.0, 0.99, SMOOTHING, 0.01, width=240, key="compare_smoothing")


# ---- what is drawn again ---------------------------------------------------------------------------------------------
def draw(folders: list[RunFolder], is_live: bool) -> None:
    """`is_live`: whether one of them was under way when the whole page was drawn; it is drawn anew once that changes."""
    looks = [cards.look_at(folder) for folder in folders]
    if any(look.status.is_active for look in looks) != is_live:
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
    chosen: Callable[..., Any] = st.session_state.get
    axis, is_log = chosen("compare_axis", STEP) or STEP, chosen("compare_scale") == LOGARITHMIC
    lines = overlay.read_lines(
        [(look.folder.title, look.history) for look in looks], axis, chosen("compare_smoothing", SMOOTHING)
    )
    names = ", ".join(look.folder.title for look in looks)
    has_validation = any(len(line.curves.validation) for line in lines)
    left, right = st.columns([3, 2]) if has_validation else (st.container(), None)
    with left.container(border=True):
        st.markdown("**Loss, smoothed**")
        draw_chart(overlay.loss_overlay(lines, axis, is_log), "compare:loss", CHART, f"Smoothed losses of {names} by {axis}.")
        if missing := overlay.find_missing(lines, axis):
            st.caption(plain(f"Not drawn by {axis}, which their logs do not tell: {', '.join(missing)}"))
    if right:
        with right.container(border=True):
            st.markdown("**Validation loss**")
            figure = overlay.validation_overlay(lines, axis, is_log)
            draw_chart(figure, "compare:validation", CHART, f"Validation losses of {names} by {axis}.")


def _table(looks: list[Look], differences: list[Difference], is_one_measure: bool) -> str:
    numbers = compare.list_numbers([(look.history, look.summary) for look in looks], is_one_measure)
    head = [_name(look.folder, place) for place, look in enumerate(looks)]
    title = f'<tr><th scope="rowgroup" colspan="{len(looks) + 1}">Settings that differ</th></tr>'
    bodies = ["".join(map(_row, numbers)), title + "".join(map(_row, differences)) if differences else ""]
    return _wrap("numbers", head, bodies)


def _wrap(kind: str, head: list[str], bodies: list[str]) -> str:
    """A table with a column for each run."""
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    parts = "".join(f"<tbody>{body}</tbody>" for body in bodies if body)
    table = f'<table><thead><tr><th scope="row"></th>{cells}</tr></thead>{parts}</table>'
    return f'{STYLE}<div class="fluxgym-compare {kind}" style="--runs:{len(head)}">{table}</div>'


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
            st.html(_samples(folders, rows, moment))
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


def _samples(folders: list[RunFolder], rows: list[Pictures], moment: Column | None) -> str:
    head = [_name(folder, place) for place, folder in enumerate(folders)]
    body = ""
    for row in rows:
        seed = "" if row.seed is None else f"<small>seed {row.seed}</small>"
        cells = "".join(_picture(folder, row, place, moment) for place, folder in enumerate(folders))
        body += f'<tr><th scope="row">{escape(row.prompt)}{seed}</th>{cells}</tr>'
    return _wrap("samples", head, [body])


def _picture(folder: RunFolder, row: Pictures, place: int, moment: Column | None) -> str:
    picture = row.pictures[place]
    if picture is None:
        return '<td><div class="cell"></div></td>'
    whole = escape(picture_url(folder, picture), quote=True)
    said = escape(f"{row.prompt}, {folder.title}, {picture.column.label}", quote=True)
    when = "" if picture.column == moment else f"<small>{escape(picture.column.label)}</small>"
    image = f'<img loading="lazy" src="{whole}&amp;small=1" alt="{said}" title="{said}">'
    return f'<td><div class="cell"><a href="{whole}" target="_blank">{image}</a></div>{when}</td>'
