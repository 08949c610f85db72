"""The losses of several runs in one chart: a line for each, smoothed alike. Figures as in fluxgym/view/charts.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from fluxgym.log.history import History
from fluxgym.view.curves import EPOCH, STEP, TIME, Curves, read_curves
from fluxgym.view.downsample import SMOOTHING, Numbers
from fluxgym.view.figures import LOG_TICKS, Figure, layout, line, nothing, thinned

# The hues of Okabe and Ito, as light as both themes can carry: chart.js leaves them as they are.
COLOURS = ("#1F83D1", "#DC5F10", "#0B9B72", "#C569A0", "#B98900", "#7B8794")
DASHES = ("solid", "solid", "solid", "solid", "dash", "dash")
WIDTH = 2.4  # px
MOST_POINTS = 256  # of a line
LONGEST_NAME = 26  # characters in a legend
DIGITS = 5  # after the point, of a loss
HOURS, MINUTES = 2 * 3600.0, 120.0  # s from which on time is told in them


@dataclass(frozen=True)
class Line:
    """One run in the charts. `place` is its number among those compared: its colour stays while others come and go."""

    name: str
    place: int
    curves: Curves


def read_lines(runs: Sequence[tuple[str, History]], axis: str = STEP, smoothing: float = SMOOTHING) -> list[Line]:
    """The curves of runs by name, all smoothed over as many steps as the longest needs."""
    spans = [read_curves(history, axis, smoothing).span for _, history in runs]
    return [Line(name, place, read_curves(history, axis, smoothing, max(spans))) for place, (name, history) in enumerate(runs)]


def loss_overlay(lines: Sequence[Line], axis: str = STEP, is_log: bool = False) -> Figure:
    """The smoothed losses; below them, which are not drawn."""
    figure = _draw(lines, lambda curves: (curves.x, curves.smooth), axis, is_log, "No step yet")
    if missing := find_missing(lines, axis):
        figure["layout"]["meta"]["note"] = f"Not drawn by {axis}, which their logs do not tell: {', '.join(missing)}"
    return figure


def validation_overlay(lines: Sequence[Line], axis: str = STEP, is_log: bool = False) -> Figure:
    """The validation losses, each with a dot."""
    figure = _draw(lines, lambda curves: (curves.validation_x, curves.validation), axis, is_log, "No validation yet")
    for trace in figure["data"]:
        trace |= {"mode": "lines+markers", "marker": {"size": 6, "color": trace["line"]["color"]}}
    return figure


def _draw(
    lines: Sequence[Line], pick: Callable[[Curves], tuple[Numbers, Numbers]], axis: str, is_log: bool, empty: str
) -> Figure:
    shown = [(each, *pick(each.curves)) for each in lines if _has_place(each.curves, axis)]
    shown = [(each, x, y) for each, x, y in shown if len(x)]
    title, unit = _name_axis(axis, max((float(x[-1]) for _, x, _ in shown), default=0.0))
    if not shown:
        return nothing(title, empty)
    drawn = layout(title, zoom=f"{is_log}")
    drawn["xaxis"]["rangemode"] = "tozero"  # so that the same place is the same in each chart
    drawn["showlegend"] = True
    if is_log:
        drawn["yaxis"] |= {"type": "log", "tickformat": LOG_TICKS}
    return {"data": [_trace(each, x / unit, y, axis) for each, x, y in shown], "layout": drawn}


def _trace(run: Line, x: Numbers, y: Numbers, axis: str) -> dict[str, Any]:
    points = thinned(list(zip(x.tolist(), y.round(DIGITS).tolist(), strict=True)), MOST_POINTS)
    places = [int(place) if axis == STEP else round(place, 3) for place, _ in points]
    short = run.name if len(run.name) <= LONGEST_NAME else f"{run.name[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    trace = line(escape(short), places, [loss for _, loss in points], COLOURS[run.place], WIDTH)
    trace["line"]["dash"] = DASHES[run.place]
    return trace | {"uid": f"run{run.place}"}


def _name_axis(axis: str, longest: float) -> tuple[str, float]:
    """Its title, and by what its numbers are divided."""
    if axis != TIME:
        return ("epoch" if axis == EPOCH else "step"), 1.0
    if longest >= HOURS:
        return "hours of training", 3600.0
    return ("minutes of training", 60.0) if longest >= MINUTES else ("seconds of training", 1.0)


def find_missing(lines: Sequence[Line], axis: str) -> list[str]:
    """The names of those that have losses, but no place on this axis: their logs name no epochs, or have no clock."""
    return [line.name for line in lines if len(line.curves.x) and not _has_place(line.curves, axis)]


def _has_place(curves: Curves, axis: str) -> bool:
    return axis == STEP or bool((curves.x[-1:] > 0).any())
