"""The charts of a run as plotly figures: transparent, so that light and dark pages both fit; colours of Okabe and Ito.

A figure is the plain dict that plotly.js takes, ready for json.dumps. plotly's own classes would give the same and cost more
than all the rest of a refresh; the tests have them check each figure.
"""

from typing import Any

from fluxgym.log.history import History
from fluxgym.view import words
from fluxgym.view.downsample import get_bins
from fluxgym.view.summary import smoothed_loss

Figure = dict[str, Any]  # {"data": traces, "layout": ...}
BLUE, VERMILION = "#0072B2", "#D55E00"
FAINT = "rgba(128, 128, 128, 0.18)"  # lines that both themes show
RAW_OPACITY, SMOOTH_WIDTH, VALIDATION_WIDTH = 0.22, 2.4, 2  # px
DIGITS = 5  # after the point, of a loss
MOST_EPOCHS = 60  # bars
MOST_LABELS = 12  # bars with their value written above
MOST_MARKS = 24  # epoch lines
MOST_VALIDATIONS = 128  # points
SPARK = 60  # points


def loss_figure(history: History) -> Figure:
    """Loss by step: each one faint, smoothed strong, validation with dots, a faint line where an epoch begins."""
    with history.lock:
        bins = get_bins(history)
        (steps, losses), (smooth_steps, smooth) = bins.raw(), bins.smooth()
        curve, validation, epochs = history.curve, list(history.validation), list(history.epochs)
        points, unknown = curve.points, curve.end - curve.points
        newest = curve.steps[curve.end - 1] if curve.end else None
    if newest is None and not validation:
        return {"data": [], "layout": _layout("step", note="No step yet")}
    x, y = steps.tolist(), losses.round(DIGITS).tolist()
    if newest is not None and newest not in x[-1:]:  # its loss is no number: the axis still goes on to it
        x, y = [*x, newest], [*y, None]
    traces = [
        _line("each step", x, y, BLUE, 1) | {"opacity": RAW_OPACITY},
        _line("smoothed", smooth_steps.tolist(), smooth.round(DIGITS).tolist(), BLUE, SMOOTH_WIDTH),
    ]
    if validation:
        shown = thinned(validation, MOST_VALIDATIONS)
        x, y = [step for step, _ in shown], [round(loss, DIGITS) for _, loss in shown]
        dots = {"mode": "lines+markers", "marker": {"size": 6}}
        traces.append(_line("validation", x, y, VERMILION, VALIDATION_WIDTH) | dots)
    layout = _layout("step")
    layout["shapes"] = [_epoch_line(first) for _, first in thinned(epochs[1:], MOST_MARKS)]
    notes = [f"{len(steps):,} of {points:,} points"] if len(steps) < points else []
    notes += [f"{words.plural(unknown, 'step')} without a number"] if unknown else []
    if notes:
        layout["annotations"] = [_note(", ".join(notes), x=1, y=1, xanchor="right", yanchor="bottom")]
    return {"data": traces, "layout": layout}


def epoch_figure(history: History) -> Figure:
    """Mean loss of each epoch; the one under way is paler."""
    with history.lock:
        every = history.epoch_means()
    if not every:
        return {"data": [], "layout": _layout("epoch", note="No epoch yet")}
    means = every[-MOST_EPOCHS:]
    values = [round(each.mean, DIGITS) for each in means]
    bars: dict[str, Any] = {
        "type": "bar",
        "name": "mean loss",
        "x": [each.epoch for each in means],
        "y": values,
        "marker": {"color": BLUE, "opacity": [0.85 if each.is_complete else 0.4 for each in means]},
        "hovertemplate": "%{y:.4f}<extra></extra>",
    }
    if len(means) <= MOST_LABELS:
        bars |= {"text": [f"{value:.3f}" for value in values], "textposition": "outside", "cliponaxis": False}
    layout = _layout("epoch")
    layout["showlegend"] = False
    if len(means) <= MOST_LABELS:
        layout["xaxis"]["dtick"] = 1
    if len(means) < len(every):
        text = f"the last {len(means)} of {len(every):,} epochs"
        layout["annotations"] = [_note(text, x=1, y=1, xanchor="right", yanchor="bottom")]
    return {"data": [bars], "layout": layout}


def sparkline(history: History) -> list[float]:
    """The smoothed losses for a small picture, the number shown beside it last; empty where they make no line."""
    last = smoothed_loss(history) if history.nan_at is None else history.loss  # nothing can be drawn at NaN
    values = get_bins(history).smooth()[1].round(DIGITS).tolist()
    return [*thinned(values, SPARK)[:-1], round(last, DIGITS)] if last is not None and len(values) > 1 else []


def thinned(values: list[Any], most: int) -> list[Any]:
    """At most about `most` of the values, evenly, the last one kept."""
    stride = 1
    while len(values) > most * stride:
        stride *= 2  # a power of two: what is shown stays while there come more
    return values if stride == 1 else [*values[:-1:stride], values[-1]]


def _line(name: str, x: list[Any], y: list[Any], colour: str, width: float) -> dict[str, Any]:
    line = {"color": colour, "width": width}
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line, "hovertemplate": "%{y:.4f}"}


def _layout(x_title: str, note: str = "") -> dict[str, Any]:
    margin = dict.fromkeys("lrb", 8) | {"t": 32}
    clear = "rgba(0, 0, 0, 0)"
    layout: dict[str, Any] = {
        "margin": margin,
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "hovermode": "x unified",
        "uirevision": "run",  # constant: zoom and legend stay as they are while data come
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": {"title": {"text": x_title}, "showgrid": False, "zeroline": False, "automargin": True},
        # not below 0 around a loss that stays the same
        "yaxis": {"gridcolor": FAINT, "zeroline": False, "automargin": True, "rangemode": "nonnegative"},
    }
    if note:
        layout["xaxis"]["visible"] = layout["yaxis"]["visible"] = False
        layout["annotations"] = [_note(note, x=0.5, y=0.5, xanchor="center", yanchor="middle")]
    return layout


def _note(text: str, **place: Any) -> dict[str, Any]:
    return {"text": text, "xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 12}, "opacity": 0.7, **place}


def _epoch_line(step: int) -> dict[str, Any]:
    line = {"color": FAINT, "width": 1}
    return {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "yref": "paper", "layer": "below", "line": line}
