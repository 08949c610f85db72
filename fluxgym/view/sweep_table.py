"""A sweep as a table: what was varied, how far each run is, and which is the best so far."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fluxgym.form.catalogue import find_setting
from fluxgym.log.history import History
from fluxgym.sweep.mark import has_weight, read_mark
from fluxgym.view import words
from fluxgym.view.compare import DIGITS, NOT_SET, UNKNOWN, Difference, find_differences, tell_measure, tell_value
from fluxgym.view.known_settings import Known, read_known
from fluxgym.view.summary import Summary, smoothed_loss
from trainer.folder import RunFolder

VALIDATION, LOSS = "validation loss", "mean loss of the last epoch"
UNDER_WAY = ("running", "starting", "stopping", "queued")
ORDER = (*UNDER_WAY, "completed", "stopped", "failed", "lost")
TOLD = 3  # settings, and values of each, that are told one by one
DOING = {"running": "under way", "queued": "waiting"}  # where the state is no word for how many of them


@dataclass(frozen=True)
class Row:
    """One run. `chosen`: what it was set to of what was varied, in words."""

    folder: RunFolder
    chosen: list[str]
    state: str
    progress: str
    validation: float | None  # the lowest so far of what it learned
    loss: float | None  # the mean of its last epoch's worth of steps
    is_ended_well: bool
    summary: Summary
    begun_at: float | None = None  # its validation loss before the first step

    @property
    def why(self) -> str:
        """Why it failed; empty of one that did not."""
        return self.summary.sentence if self.summary.state == "failed" else ""

    @property
    def numbers(self) -> list[str]:
        return [words.loss4(self.validation), words.loss4(self.loss)]


@dataclass(frozen=True)
class Table:
    """All runs of a sweep. `best`: the place of the best; None where that cannot be said. `by`: what that is judged by."""

    names: list[str]  # of what was varied, as the Train page calls it
    rows: list[Row]
    best: int | None
    by: str
    note: str  # why the losses cannot be compared; empty where they can
    odd: str = ""  # in what the runs differ though it is not varied


def make_table(runs: Sequence[tuple[RunFolder, History, Summary]]) -> Table:
    """In the order of the runs that are given."""
    marks = [read_mark(folder) for folder, _, _ in runs]
    keys = list(dict.fromkeys(key for mark in marks if mark for key in mark.chosen))
    known = [read_known(folder) for folder, _, _ in runs]
    chosen = [[_tell(each, mark.chosen if mark else {}, key) for key in keys] for each, mark in zip(known, marks, strict=True)]
    rows = [_row(*run, values) for run, values in zip(runs, chosen, strict=True)]
    differences = find_differences(known)
    note = tell_measure(known, differences)
    best, by = find_best(rows)
    odd = [each for each in differences if each.name not in keys and has_weight(each.name)]
    return Table([_label(key) for key in keys], rows, None if note else best, by, note, _tell_odd(odd))


def _tell_odd(differences: Sequence[Difference]) -> str:
    """They differ in train.epochs (2 or 3) too, which is not varied."""
    told = []
    for each in differences[:TOLD]:
        values = list(dict.fromkeys(value for value in each.values if value != UNKNOWN))
        told.append(f"{each.name} ({' or '.join(values[:TOLD])}{' or others' * (len(values) > TOLD)})")
    if (more := len(differences) - TOLD) > 0:
        told.append(words.plural(more, "more setting"))
    be = "is" if len(differences) == 1 else "are"
    return f"They differ in {' and '.join(told)} too, which {be} not varied." if told else ""


def _label(key: str) -> str:
    setting = find_setting(key)
    return setting.label if setting else key


def _tell(known: Known, chosen: dict[str, object], key: str) -> str:
    """As its config.toml says now: a run that was resumed may have other settings than it was begun with."""
    if key in known.values:
        return tell_value(key, known.values[key])
    return tell_value(key, chosen[key]) if key in chosen and not known.values else NOT_SET if known.values else UNKNOWN


def _row(folder: RunFolder, history: History, summary: Summary, chosen: list[str]) -> Row:
    finite = [(step, loss) for step, loss in history.validation if math.isfinite(loss)]
    lowest = min((loss for step, loss in finite if step), default=None)  # at step 0 the base model is measured
    begun_at = next((loss for step, loss in finite if not step), None)
    loss = smoothed_loss(history)
    is_ended_well = summary.state == "completed"
    return Row(folder, chosen, summary.label, summary.progress_text, lowest, loss, is_ended_well, summary, begun_at)


def find_best(rows: Sequence[Row]) -> tuple[int | None, str]:
    """The place of the lowest validation loss so far; where none is measured, of the lowest mean of the last epoch among those
    that came to their end. None where only one has such a number, two share the lowest, or it is no lower than before the first
    step. And by what it is judged."""
    known, by = _sort(rows)
    is_alone = len(known) > 1 and known[0][0] != known[1][0]
    return (known[0][1] if is_alone and _has_gained(rows[known[0][1]]) else None), by


def _sort(rows: Sequence[Row]) -> tuple[list[tuple[float, int]], str]:
    """The numbers by which the best is judged, as they are told, each with its place, the lowest first. And what they are."""
    by_validation = any(row.validation is not None for row in rows)
    numbers = [row.validation if by_validation else row.loss if row.is_ended_well else None for row in rows]
    finite = [(number, place) for place, number in enumerate(numbers) if number is not None and math.isfinite(number)]
    return sorted((round(number, DIGITS), place) for number, place in finite), VALIDATION if by_validation else LOSS


def _has_gained(row: Row) -> bool:
    """Whether it measured lower than before its first step, as far as both are known."""
    return row.validation is None or row.begun_at is None or round(row.validation, DIGITS) < round(row.begun_at, DIGITS)


def rank(table: Table) -> list[int]:
    """The places of all runs, the best first; those without a number last, in their order."""
    by_validation = table.by == VALIDATION

    def weigh(place: int) -> tuple[bool, float]:
        row = table.rows[place]
        number = row.validation if by_validation else row.loss
        is_known = number is not None and math.isfinite(number)
        return not is_known, number if is_known and number is not None else 0.0

    return sorted(range(len(table.rows)), key=weigh)


def tell_sweep(states: Sequence[str | None]) -> str:
    """4 runs: 1 under way, 2 waiting, 1 failed."""
    counts = Counter(state if state in ORDER else "unknown" for state in states)
    told = [f"{counts[state]:,} {DOING.get(state, state)}" for state in (*ORDER, "unknown") if counts[state]]
    return f"{words.plural(len(states), 'run')}: {', '.join(told)}."


def tell_best(table: Table) -> str:
    """Which is the best so far and by what, or why nobody can say; and what to know of it."""
    if table.note:
        return table.note
    known, _ = _sort(table.rows)
    is_under_way = any(each.summary.state in UNDER_WAY for each in table.rows)
    told = [_tell_none(table, known, is_under_way)] if table.best is None else [_tell_one(table, table.best, is_under_way)]
    places = {place for _, place in known}
    silent = sum(row.is_ended_well and place not in places for place, row in enumerate(table.rows))
    if silent and known:
        has = "1 completed run has" if silent == 1 else f"{silent:,} completed runs have"
        told.append(f"{has} no {table.by} to compare.")
    return " ".join(filter(None, [*told, table.odd]))


def _tell_one(table: Table, best: int, is_under_way: bool) -> str:
    row = table.rows[best]
    number = row.validation if table.by == VALIDATION else row.loss
    so_far = " so far" if is_under_way else ""
    more = "" if table.by == VALIDATION else " Hold out images for validation to know better: the loss of training says little."
    set_to = ", ".join(f"{name.lower()} {value}" for name, value in zip(table.names, row.chosen, strict=True))
    return f"Best{so_far} by {table.by}: {set_to} ({words.loss4(number)}).{more}"


def _tell_none(table: Table, known: Sequence[tuple[float, int]], is_under_way: bool) -> str:
    """Why none is the best; empty where that is seen without a word."""
    if not known or (len(known) == 1 and (is_under_way or len(table.rows) == 1)):
        return ""
    if len(known) == 1:
        return f"Only one has a {table.by}: there is nothing to compare it with."
    row = table.rows[known[0][1]]
    if not _has_gained(row):
        none = "So far none" if is_under_way else "None"
        return f"{none} fell below the validation loss before its first step ({words.loss4(row.begun_at)}): none is the best."
    return f"{sum(number == known[0][0] for number, _ in known):,} share the lowest {table.by} ({words.loss4(known[0][0])})."
