"""All numbers of a run as CSV, in pieces: a table of a million steps is sent while it is made, and needs no memory."""

import csv
import io
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from fluxgym.log.history import History
from fluxgym.log.lines import LIMIT
from fluxgym.view.curves import TIME, Axis
from fluxgym.view.health import LINE, Evidence, Health, read_evidence

PIECE = 5000  # rows
Row = list[Any]


def steps(history: History, _health: Health) -> Iterator[list[Row]]:
    """Each step: its epoch, loss, learning rate, and the log's own time as seconds (differences count)."""
    yield [["step", "epoch", "loss", "learning_rate", "seconds"]]
    at = 0
    while True:
        with history.lock:
            curve, marks, epochs = history.curve, history.marks, history.epochs
            stop = min(at + PIECE, curve.end)
            firsts, rows = [first for _, first in epochs], []
            for entry in range(at, stop):
                step = curve.steps[entry]
                epoch, rate = bisect_right(firsts, step), bisect_right(marks.rate_steps, step)
                rows.append(
                    [
                        step,
                        epochs[epoch - 1][0] if epoch else None,
                        curve.losses[entry],
                        marks.rates[rate - 1] if rate else None,
                        curve.times[entry],
                    ]
                )
        if not rows:
            return
        at = stop
        yield rows


def epochs(history: History, _health: Health) -> Iterator[list[Row]]:
    """Each epoch: its first step, the mean of its losses and their spread, whether it is over."""
    yield [["epoch", "first_step", "mean_loss", "spread", "is_complete"]]
    with history.lock:
        firsts, means = dict(history.epochs), history.epoch_means()
    yield [[each.epoch, firsts.get(each.epoch), each.mean, each.spread, each.is_complete] for each in means]


def validation(history: History, _health: Health) -> Iterator[list[Row]]:
    """Each validation."""
    yield [["step", "validation_loss"]]
    with history.lock:
        found = [list(each) for each in history.validation]
    yield found  # not under the lock: whoever takes the next piece may be another thread, or nobody


def events(history: History, health: Health) -> Iterator[list[Row]]:
    """What happened when: attempts, checkpoints, samples, alerts."""
    yield [["step", "seconds_of_training", "event", "text"]]
    with history.lock, health.lock:
        found: list[tuple[int, str, str]] = [(done, "attempt", str(number)) for number, done in history.attempts]
        found += [(step, "checkpoint", "") for step in history.marks.checkpoints]
        found += [(step, "samples", "") for step in history.marks.samples]
        found += [(alert.step, f"alert: {alert.kind}", alert.text) for alert in health.alerts]
        clock = Axis(history, TIME)
        seconds = clock([step for step, _, _ in found]).round(1).tolist()
    yield sorted([step, when, *told] for (step, *told), when in zip(found, seconds, strict=True))


def monitor(_history: History, health: Health) -> Iterator[list[Row]]:
    """Each line of evidence of the monitor's log; columns are what any of them names, so the file is read twice."""
    names = list(dict.fromkeys(name for _, found in _evidence(health) for name in found.values))
    yield [["time", "step", *(name.replace(" ", "_") for name in names)]]
    rows: list[Row] = []
    for stamp, found in _evidence(health):
        rows.append([stamp, found.step, *(found.values.get(name, (None,))[0] for name in names)])
        if len(rows) == PIECE:
            yield rows
            rows = []
    yield rows


TABLES: dict[str, Callable[[History, Health], Iterator[list[Row]]]] = {
    "steps": steps,
    "epochs": epochs,
    "validation": validation,
    "events": events,
    "monitor": monitor,
}


def write_csv(table: str, history: History, health: Health) -> Iterator[str]:
    """A table in pieces of text. What is not known, or no number, is empty. Raises KeyError for a table that there is not."""
    for rows in TABLES[table](history, health):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([tell(value) for value in row] for row in rows)
        yield text.getvalue()


def tell(value: Any) -> Any:
    """A cell. A text that a spreadsheet would take for a formula is quoted by an apostrophe, as they do it themselves."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if isinstance(value, float) and not math.isfinite(value) else value


def _evidence(health: Health) -> Iterator[tuple[str, Evidence]]:
    """The time stamp and the values of each line of evidence."""
    if not health.path.is_file():
        return
    with health.path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            line = LINE.match(text[:LIMIT])
            if line and line[2].startswith("state "):
                yield line[1], read_evidence(line[2])
