"""The charts of how a run runs: learning rate, seconds per step, and the machine as the monitor saw it."""

import math
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np

from fluxgym.log.history import History
from fluxgym.view import words
from fluxgym.view.charts import FAR, HEADROOM, Place, View
from fluxgym.view.downsample import LEAST_SECONDS, USUAL, get_bins
from fluxgym.view.figures import BLUE, GREEN, ORANGE, PURPLE, VERMILION, Figure, hold, line, nothing, thinned
from fluxgym.view.health import Health, Row, merged

MOST_RATES = 256  # points
MOST_GPUS = 4  # with lines of their own
WIDTH = 1.6  # px
ROOM = 1.05  # times the highest that is drawn: the top of the chart
LEAST = 1.0  # core and GiB: a chart of less would make much of nothing
# of one GPU: the last word of its name in monitor.log, what it is called, what a hover says, colour; all within 0 to 100
GPU = (("memory", "memory", "%", BLUE), ("use", "use", "%", GREEN), ("temperature", "temperature", " \u00b0C", VERMILION))


def rate_figure(history: History, view: View) -> Figure:
    """The learning rate by step."""
    with history.lock:
        place = Place(history, view.axis)
        marks, end = history.marks, history.step
        shown = thinned(list(range(len(marks.rates))), MOST_RATES)
        steps, rates = [marks.rate_steps[at] for at in shown], [marks.rates[at] for at in shown]
        if not steps or place.missing:
            unknown = "No step so far" if end is None else "Its log names no learning rate"
            return nothing(place.title, place.missing or unknown)
        if end is not None and end > steps[-1]:
            steps, rates = [*steps, end], [*rates, rates[-1]]
        x = place.steps(steps)
    trace = line("learning rate", x, rates, ORANGE, WIDTH)
    trace |= {"hovertemplate": "%{y:.2e}<extra></extra>", "line": trace["line"] | {"shape": "hv"}}
    shape, ticks = _small(place), find_ticks(max(rates))
    named = {
        "tickvals": ticks,
        "ticktext": ["0", *map(words.learning_rate, ticks[1:])],
    }  # those of plotly do not look like rates
    shape["yaxis"] |= {"range": [0, ROOM * max(rates) or 1], "fixedrange": True, **named}
    return {"data": [trace], "layout": shape}


def pace_figure(history: History, view: View) -> Figure:
    """Seconds per step without pauses."""
    with history.lock:
        place = Place(history, view.axis)
        steps, seconds = get_bins(history).pace()
        x, end = place.steps(steps), place(history.step or 0)
    if not x or place.missing:
        return nothing(place.title, place.missing or f"Known after {LEAST_SECONDS:.0f} s of steps")
    trace = line("seconds per step", x, seconds.round(4).tolist(), PURPLE, WIDTH)
    usual = float(np.quantile(seconds, USUAL))
    above = int((seconds > HEADROOM * usual).sum()) if view.clips and seconds.max() > FAR * usual else 0
    shape = _small(place, note=f"{words.plural(above, 'spike')} above {HEADROOM * usual:.2g} s cut off" if above else "")
    _give_room(shape["xaxis"], x, end)
    shape["yaxis"]["range"] = [0, HEADROOM * usual if above else ROOM * float(seconds.max())]
    return {"data": [trace | {"hovertemplate": "%{y:.3~f} s<extra></extra>"}], "layout": shape}


def machine_figure(history: History, health: Health, view: View) -> Figure:
    """GPU memory, use and temperature; of a machine without a GPU its CPU and the memory of the training.

    What was seen during the same step, before the first or while samples were drawn, say, is one point: their mean."""
    with history.lock:
        place = Place(history, view.axis)
        end = place(history.step or 0)
    with health.lock:
        rows, gpus, totals = list(health.rows), health.gpus()[:MOST_GPUS], dict(health.totals)
    if not rows or place.missing:
        return nothing(place.title, place.missing or "The monitor has seen nothing so far")
    rows = by_step(rows)
    x = place.steps([row.step for row in rows])
    traces = []
    for gpu in gpus:
        for name, called, unit, colour in GPU:
            key = f"gpu {gpu} {name}"
            factor = 100 / totals[key] if name == "memory" and totals.get(key) else 1.0
            drawn = _trace(
                f"{called}" if len(gpus) == 1 else f"{gpu} {called}", x, [row.mean(key) for row in rows], factor, colour
            )
            traces.append(drawn | {"hovertemplate": f"%{{y:.0f}}{unit}"})
    shape = _small(place, legend=True)
    _give_room(shape["xaxis"], x, end)
    if gpus:
        shape["yaxis"] |= {"range": [0, 105], "title": {"text": "%, \u00b0C"}}
        return {"data": traces, "layout": shape}
    cpu = _trace("CPU cores", x, [row.mean("cpu") for row in rows], 0.01, GREEN)
    memory = _trace("memory, GiB", x, [row.mean("memory") for row in rows], 1 / 1024, BLUE)
    highest = max((value for each in (cpu, memory) for value in each["y"] if value is not None), default=0.0)
    shape["yaxis"]["range"] = [0, max(LEAST, ROOM * highest)]
    return {"data": [each | {"hovertemplate": "%{y:.1f}"} for each in (cpu, memory)], "layout": shape}


def _trace(name: str, x: list[Any], values: list[float | None], factor: float, colour: str) -> dict[str, Any]:
    return line(name, x, [None if value is None else round(value * factor, 2) for value in values], colour, WIDTH)


def by_step(rows: list[Row]) -> list[Row]:
    """One row for each step, in the order of steps: where a training went back, what it does again stands for it."""
    last = [reduce(merged, same) for _, same in groupby(rows, key=lambda row: row.step)]
    kept: list[Row] = []
    for row in reversed(last):
        if not kept or row.step < kept[-1].step:
            kept.append(row)
    return kept[::-1]


def find_ticks(top: float) -> list[float]:
    """From 0 in even steps of 1, 2 or 5 up to `top`: two to four."""
    if not 0 < top < math.inf:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(top))
    step = power * next(part for part in (0.5, 1, 2, 5, 10) if top <= 3.01 * part * power)
    return [step * count for count in range(4) if step * count <= ROOM * top]


def _give_room(axis: dict[str, Any], x: list[Any], end: Any) -> None:
    """A single point is shown within the run so far, up to `end`: plotly would show from one below it to one above."""
    if len(x) == 1 and "range" not in axis:
        top = max(end, x[0], LEAST)
        hold(axis, -top / 20, ROOM * top)


def _small(place: Place, legend: bool = False, note: str = "") -> dict[str, Any]:
    shape = place.layout(note)
    return shape | {"showlegend": legend, "margin": shape["margin"] | ({} if legend else {"t": 8})}
