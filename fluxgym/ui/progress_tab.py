"""How a run goes, as charts: what it learned on top, how the machine did below, samples and logs in between and after."""

import streamlit as st

from fluxgym.run.record import ENDED
from fluxgym.ui import chart_feed, csv_files, log_panel, sample_grid
from fluxgym.ui.cards import Look
from fluxgym.ui.chart import draw_fed_chart
from fluxgym.ui.text import plain
from fluxgym.view.charts import View
from fluxgym.view.curves import EPOCH, STEP, TIME
from fluxgym.view.downsample import SMOOTHING, get_bins
from fluxgym.view.ended import tell_log
from fluxgym.view.health import get_health

LOSS, SMALL = 372, 224  # px, with the line of text below or the title above
RECENT = 6  # columns of samples; their own tab has all
AXES = {STEP: "Step", EPOCH: "Epoch", TIME: "Time"}
HONEST = (
    "The loss of one step says little: each step draws its own images and its own amount of noise, and the loss depends far "
    "more on how much noise that was than on what was learned. Trust the smoothed line and the means of epochs for the "
    "direction, the validation loss (same images, same noise every time) for how far to go, and your eyes on the samples for "
    "the rest."
)


def draw(look: Look) -> None:
    """The charts, the latest samples, and both logs, closed. Of a run that ended only those that have something to show."""
    health, history = get_health(look.folder.monitor_log), look.history
    has_ended = look.summary.state in ENDED
    with history.lock:
        has_curve = bool(history.curve.end or history.validation)
        shown = {"pace": len(get_bins(history).pace()[0]), "rate": len(history.marks.rates), "machine": len(health.rows)}
    gone = tell_log(look.folder, look.status, history)
    version = f"{history.version}.{health.version}"
    view = View()
    if has_curve or not has_ended:
        view = _draw_learning(look, version)
    else:
        st.caption(plain(f"There is no curve to show. {gone or 'Its log names no step.'}"))
    sample_grid.draw_recent(look, RECENT)
    titles = {"pace": "Seconds per step", "rate": "Learning rate", "machine": "GPU" if health.gpus() else "Machine"}
    drawn = [chart for chart in titles if not has_ended or (shown[chart] and not gone)]
    for column, chart in zip(st.columns(len(drawn), border=True) if drawn else [], drawn, strict=True):
        with column:
            alt = f"{titles[chart]} of {look.folder.name} by {view.axis}."
            _draw_chart(look, (chart_feed.RUNS, chart), view, version, alt, titles[chart])
    log_panel.draw_closed(look)


def _draw_learning(look: Look, version: str) -> View:
    """What it learned, and how it is looked at."""
    left, right = st.columns([2, 1], border=True)
    with left:
        view = draw_controls()
        alt = f"Loss of {look.folder.name} by {view.axis}, from {look.history.points:,} steps."
        _draw_chart(look, (chart_feed.LEARNS, "loss"), view, version, alt)
    with right:
        with st.container(horizontal=True, vertical_alignment="center", key="epoch-head"):
            st.markdown("**Mean loss by epoch**", width="stretch")
            csv_files.draw_downloads(look)
        _draw_chart(look, (chart_feed.LEARNS, "epochs"), view, version, f"Mean loss of {look.folder.name} by epoch.")
    st.caption(HONEST)
    return view


def draw_controls(title: str = "Loss", may_clip: bool = True) -> View:
    """How the curves are to be seen: in the address, so that a reload and a link show the same."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="chart-controls"):
        st.markdown(f"**{title}**", width="content")
        axis = st.segmented_control(
            "Axis", list(AXES), default=STEP, required=True, format_func=AXES.get, key="axis", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        smoothing = st.slider(
            "Smoothing",
            0.0,
            chart_feed.STRAIGHT,
            SMOOTHING,
            format="smoothing %.2f",
            key="smoothing",
            bind="query-params",
            width=170,
            label_visibility="collapsed",
        )
        is_log = st.toggle("Log scale", key="log", bind="query-params")
        clips = may_clip and st.toggle("Clip spikes", value=True, key="clip", bind="query-params")
    return View(axis or STEP, smoothing, is_log, clips)


def _draw_chart(look: Look, chart: tuple[str, str], view: View, version: str, alt: str, title: str = "") -> None:
    name = look.folder.name
    group, figure = chart
    height = LOSS if group == chart_feed.LEARNS else SMALL
    draw_fed_chart((chart_feed.chart_url(name, group, view), figure, version), f"{figure}:{name}", height, alt, title)
