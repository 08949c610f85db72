"""The charts of how a run learns: the loss with all that happened on its way, and the mean of each epoch."""

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from fluxgym.log.history import History
from fluxgym.view import figures, words
from fluxgym.view.curves import EPOCH, STEP, TIME, Axis, Curves, read_curves
from fluxgym.view.downsample import SMOOTHING, WIDE, Numbers, get_bins
from fluxgym.view.figures import BLUE, FAINT, GREEN, GREY, PALE, PURPLE, VERMILION, Figure, thinned
from fluxgym.view.health import Health

RAW_OPACITY, DENSE_OPACITY = 0.22, 0.12  # of each step, of the extremes of many
SMOOTH_WIDTH, VALIDATION_WIDTH = 2.4, 2  # px
DIGITS = 5  # after the point, of a loss
MOST_EPOCHS = 60  # bars
FEW_EPOCHS, FEW_STEPS = 6, 10  # as many have a place from the beginning: no bar fills the picture
MOST_LABELS, MOST_TICKS = 8, 16  # bars with their value written in them, with their number below
MOST_MARKS = 24  # epoch lines
MOST_SIGNS = 60  # of each kind
MOST_VALIDATIONS, MOST_DOTS = 128, 40  # points, and with a dot each
SPARK = 60  # points
FAR, HEADROOM = 1.3, 1.1  # times as high as what is usual: an outlier; the top of the picture then
LIFT = 4  # times as high as most losses: what is smoothed and the validation lift the top of the picture, so far at most
HOUR = 3600  # s


@dataclass(frozen=True)
class View:
    """How a person wants to see the curves."""

    axis: str = STEP
    smoothing: float = SMOOTHING
    is_log: bool = False
    clips: bool = True  # outliers lie outside of the picture

    @property
    def zoom(self) -> str:
        """What a zoom along y belongs to."""
        return f"{self.is_log} {self.clips}"


def loss_figure(history: History, view: View | None = None, health: Health | None = None) -> Figure:
    """Loss: each step faint, smoothed strong, validation with dots; where epochs begin and what happened when."""
    view = view or View()
    with history.lock:
        curves = read_curves(history, view.axis, view.smoothing)
        place = Place(history, view.axis)
        signs = find_signs(history, place, health)
        means, points, unknown = history.logs_means, history.curve.points, history.curve.end - history.curve.points
        newest = history.curve.steps[history.curve.end - 1] if history.curve.end else None
    if newest is None and not len(curves.validation):
        return figures.nothing(place.title, "No step so far")
    if place.missing:
        return figures.nothing(place.title, place.missing)
    x, y = place.scale(curves.raw_x), curves.raw.round(DIGITS).tolist()
    if newest is not None and place(newest) not in x[-1:]:  # its loss is no number: the axis still goes on to it
        x, y = [*x, place(newest)], [*y, None]
    traces = [
        figures.line("mean so far" if means else "each step", x, y, BLUE, 1)
        | {"opacity": RAW_OPACITY if curves.width < WIDE else DENSE_OPACITY},
        figures.line("smoothed", place.scale(curves.x), curves.smooth.round(DIGITS).tolist(), BLUE, SMOOTH_WIDTH),
    ]
    if len(curves.validation):
        shown = thinned(list(range(len(curves.validation))), MOST_VALIDATIONS)
        x, y = place.scale(curves.validation_x[shown]), curves.validation[shown].round(DIGITS).tolist()
        dots = {"mode": "lines+markers", "marker": {"size": 6}} if len(x) <= MOST_DOTS else {}
        traces.append(figures.line("validation", x, y, VERMILION, VALIDATION_WIDTH) | dots)
    drawn, above = find_range(curves, view)
    notes = [f"{len(curves.raw):,} of {points:,} points drawn"] if len(curves.raw) < points else []
    least = "" if len(curves.raw) == points else "at least "  # of those that are not drawn nothing is known
    notes += [f"{least}{words.plural(above, 'spike')} above {drawn[1]:.2g} cut off"] if drawn and above else []
    notes += [f"{words.plural(unknown, 'step')} without a number"] if unknown else []
    notes += ["its log has running means only, no step's own loss"] if means else []
    told = ", ".join(notes)
    shape = place.layout(note=told[:1].upper() + told[1:], zoom=view.zoom) | {"showlegend": True}
    if view.is_log:
        shape["yaxis"] |= {"type": "log", "tickformat": figures.LOG_TICKS, "minor": {"showgrid": False}}
    if drawn:
        low, high = map(math.log10, drawn) if view.is_log else drawn
        figures.hold(shape["yaxis"], low, high)
    return {"data": traces + signs, "layout": shape}


def epoch_figure(history: History) -> Figure:
    """Mean loss of each epoch with its spread; the one under way is paler."""
    with history.lock:
        every, of = history.epoch_means(), " of the means in its log" if history.logs_means else ""
    if not every:
        return figures.nothing("epoch", "No epochs in its log")
    means = every[-MOST_EPOCHS:]
    values = [round(each.mean, DIGITS) for each in means]
    bars: dict[str, Any] = {
        "type": "bar",
        "name": "mean loss",
        "x": [each.epoch for each in means],
        "y": values,
        "error_y": {
            "type": "data",
            "array": [round(each.spread, DIGITS) if math.isfinite(each.spread) else 0 for each in means],
            "color": GREY if len(means) <= MOST_TICKS else PALE,
            "thickness": 1,
            "width": 2 if len(means) <= MOST_TICKS else 0,
        },
        "marker": {"color": BLUE, "opacity": [0.85 if each.is_complete else 0.4 for each in means]},
        "hovertemplate": "%{y:.4f}, spread %{error_y.array:.4f}<extra></extra>",
    }
    if len(means) <= MOST_LABELS:
        bars |= {
            "text": [f"{value:.3f}" for value in values],
            "textposition": "inside",
            "insidetextanchor": "start",
            "textangle": 0,
        }
    notes = [f"The last {len(means)} of {len(every):,} epochs."] if len(means) < len(every) else []
    shape = figures.layout("epoch", note=" ".join([*notes, f"Thin lines: one standard deviation{of}."]))
    shape |= {"showlegend": False, "margin": shape["margin"] | {"t": 8}}
    first = means[0].epoch
    if means[-1].epoch - first < FEW_EPOCHS:
        figures.hold(shape["xaxis"], first - 0.6, first + FEW_EPOCHS - 0.4)
    if len(means) <= MOST_TICKS:
        shape["xaxis"]["dtick"] = 1
    return {"data": [bars], "layout": shape}


class Place:
    """Where steps lie on the axis that is drawn, rounded; `title` names it with its unit.

    `missing` says why nothing has a place there; empty where all have."""

    def __init__(self, history: History, axis: str) -> None:
        """Hold the history's lock."""
        self._axis = Axis(history, axis)
        self._unit, self._digits, self.title, self.missing = 1.0, 0, "step", ""
        curve = history.curve
        self._last = curve.steps[curve.end - 1] if curve.end else 0
        if axis == EPOCH:
            self._digits, self.title = 3, "epochs done"
            self.missing = "" if history.epochs else "Its log names no epochs"
        elif axis == TIME:
            end = float(self._axis(self._last))
            self.missing = "Its log tells no times" if curve.end and end == 0 and math.isnan(curve.times[curve.end - 1]) else ""
            name, self._unit = ("hours", HOUR) if end > 2 * HOUR else ("minutes", 60)
            self._digits, self.title = 3, f"{name} of training"

    def scale(self, places: Numbers) -> list[Any]:
        """Places of an Axis as they are drawn."""
        return places.astype(np.int64).tolist() if not self._digits else (places / self._unit).round(self._digits).tolist()

    def steps(self, steps: Any) -> list[Any]:
        """The same of steps."""
        return self.scale(self._axis(steps))

    def layout(self, note: str = "", zoom: str = "") -> dict[str, Any]:
        """A layout over this axis, on which the first steps have room."""
        shape = figures.layout(self.title, note, zoom)
        if not self._digits and self._last < FEW_STEPS:
            figures.hold(shape["xaxis"], -FEW_STEPS / 20, FEW_STEPS)
        return shape

    def __call__(self, step: int) -> Any:
        return self.steps([step])[0]


def find_signs(history: History, place: Place, health: Health | None) -> list[dict[str, Any]]:
    """A trace for each kind of thing that happened: it can be hidden by the legend. Hold the history's lock."""
    first_steps = thinned([max(first - 1, 0) for _, first in history.epochs[1:]], MOST_MARKS)
    later = [(number, done) for number, done in history.attempts if number > 1][-MOST_SIGNS:]
    found = [figures.verticals("epochs", place.steps(first_steps), FAINT)] if first_steps else []
    if later:
        steps = [done for _, done in later]
        found.append(figures.verticals("attempts", place.steps(steps), GREY, "dot") | {"legendgroup": "attempts"})
        texts = [f"attempt {number} goes on after step {done:,}" for number, done in later]
        tags = figures.marks("attempts", place.steps(steps), texts, 0.93, {"color": GREY, "symbol": "triangle-right"})
        found.append(tags | {"legendgroup": "attempts", "showlegend": False})
    for name, written, height, look in (
        ("checkpoints", history.marks.checkpoints, 0.03, {"color": GREEN, "symbol": "diamond"}),
        ("samples", history.marks.samples, 0.09, {"color": PURPLE, "symbol": "square", "size": 6}),
    ):
        shown = thinned(list(written), MOST_SIGNS)
        if shown:
            found.append(figures.marks(name, place.steps(shown), [f"{name} at step {step:,}" for step in shown], height, look))
    alerts = health.alerts[-MOST_SIGNS:] if health else []
    if alerts:
        texts = [
            escape(f"{alert.kind} at step {alert.step:,}{f': {alert.text[:120]}' if alert.text else ''}") for alert in alerts
        ]
        look = {"color": VERMILION, "symbol": "x", "size": 9}
        found.append(figures.marks("alerts", place.steps([alert.step for alert in alerts]), texts, 0.97, look))
    return found


def find_range(curves: Curves, view: View) -> tuple[tuple[float, float] | None, int]:
    """The losses to draw between, and how many points lie above; None where all are drawn."""
    if not view.clips or len(curves.raw) < 20:
        return None, 0
    drawn = np.concatenate([curves.smooth, curves.validation])
    usual = max(curves.usual, min(float(drawn.max()), LIFT * curves.usual))
    if usual <= 0 or curves.raw.max() <= FAR * usual:
        return None, 0
    low = min(float(curves.raw.min()), float(drawn.min()))
    top = HEADROOM * usual
    bottom = (low if low > 0 else usual / 1000) / 1.2 if view.is_log else min(0.0, low)
    return (bottom, top), int((curves.raw > top).sum())


def sparkline(history: History) -> list[float]:
    """The smoothed losses for a small picture; empty where they make no line. It ends as they do: the mean of an epoch, shown
    beside it, lies above a loss that falls, and as the last point it was a rise that never was."""
    values = get_bins(history).smooth()[1].round(DIGITS).tolist()
    return thinned(values, SPARK) if len(values) > 1 else []
