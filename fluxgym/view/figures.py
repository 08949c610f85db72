"""What all figures share: plotly's plain dicts, transparent, so that light and dark pages both fit; colours of Okabe and Ito.

A figure is the dict that plotly.js takes, ready for json.dumps. plotly's own classes would give the same and cost more than
all the rest of a refresh; the tests have them check each figure.
"""

import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]  # {"data": traces, "layout": ...}
BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
FAINT = "rgba(128, 128, 128, 0.18)"  # lines that both themes show
PALE = "rgba(128, 128, 128, 0.5)"
GREY = "rgba(128, 128, 128, 0.9)"
HOVER = {"step": "step %{x:,}", "epoch": "epoch %{x}"}  # what is said above the numbers at the pointer
LOG_TICKS = ".3~g"  # plotly's own of a logarithmic axis are single digits: 5 for 0.5
MARKS_AXIS = "y2"  # from 0 to 1 over the whole height: what has a place along the steps only


def line(name: str, x: list[Any], y: list[Any], colour: str, width: float) -> dict[str, Any]:
    """A line; its numbers in the hover have four digits. By its uid what was chosen in the legend stays while others come."""
    return {
        "type": "scatter",
        "mode": "lines" if len(y) > 2 or (len(y) == 2 and None not in y) else "lines+markers",  # a point makes no line
        "name": name,
        "uid": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": width},
        "hovertemplate": "%{y:.4f}",
    }


def marks(name: str, x: list[Any], texts: Sequence[str], height: float, marker: dict[str, Any]) -> dict[str, Any]:
    """Small signs at a `height` of 0 to 1. The texts are shown at the pointer; plotly takes them for markup, so escape them."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "uid": f"{name} marks",
        "x": x,
        "y": [height] * len(x),
        "yaxis": MARKS_AXIS,
        "text": list(texts),
        "marker": {"size": 8, **marker},
        "hovertemplate": "%{text}<extra></extra>",
    }


def verticals(name: str, x: list[Any], colour: str, dash: str = "solid") -> dict[str, Any]:
    """Lines from bottom to top."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "uid": f"{name} lines",
        "x": [place for each in x for place in (each, each, None)],
        "y": [0, 1, None] * len(x),
        "yaxis": MARKS_AXIS,
        "line": {"color": colour, "width": 1, "dash": dash},
        "hoverinfo": "skip",
    }


def layout(x_title: str, note: str = "", zoom: str = "") -> dict[str, Any]:
    """A layout. `note` is told below the figure; the viewer's zoom is kept as long as `zoom` is the same."""
    clear = "rgba(0, 0, 0, 0)"
    return {
        "margin": dict.fromkeys("lrb", 8) | {"t": 28},
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "hovermode": "x unified",
        "uirevision": "run",  # constant: the choices in the legend stay as they are while data come
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": {
            "title": {"text": x_title},
            "unifiedhovertitle": {"text": HOVER.get(x_title, f"%{{x:,.2~f}} {x_title}")},
            "tickformat": ",",
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
            "uirevision": x_title,
        },
        # not below 0 around a loss that stays the same
        "yaxis": {"gridcolor": FAINT, "zeroline": False, "automargin": True, "rangemode": "nonnegative", "uirevision": zoom},
        "yaxis2": {"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False},
        "meta": {"note": note},
    }


def hold(axis: dict[str, Any], low: float, high: float) -> None:
    """Shows an axis from `low` to `high`. Without a uirevision of its own a later figure, which names no range, would not fit
    the axis to its data: plotly keeps that it need not, and shows -1 to 6."""
    axis |= {"range": [low, high], "uirevision": f"{axis['uirevision']} held"}


def nothing(x_title: str, said: str) -> Figure:
    """A figure without data says why."""
    empty = layout(x_title)
    empty["xaxis"]["visible"] = empty["yaxis"]["visible"] = False
    centre = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "middle"}
    empty["annotations"] = [{"text": said, "showarrow": False, "font": {"size": 12}, "opacity": 0.7, **centre}]
    return {"data": [], "layout": empty}


def thinned(values: list[Any], most: int) -> list[Any]:
    """At most about `most` of the values, evenly, the last one kept."""
    stride = 1
    while len(values) > most * stride:
        stride *= 2  # a power of two: what is shown stays while there come more
    return values if stride == 1 else [*values[:-1:stride], values[-1]]


def known(value: Any) -> Any:
    """The same with None in place of numbers that are none."""
    if isinstance(value, dict):
        return {key: known(each) for key, each in value.items()}
    if isinstance(value, list):
        return [known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
