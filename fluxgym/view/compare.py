"""Runs side by side: the settings in which they differ, the numbers of each, and their samples of one prompt and seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.log.history import History
from fluxgym.view import words
from fluxgym.view.ended import tell_learned
from fluxgym.view.known_settings import NOTHING, Known
from fluxgym.view.sample_names import Column, Picture
from fluxgym.view.samples import Grid, Row
from fluxgym.view.summary import EPOCH_MEAN, Summary, name_loss, smoothed_loss

MOST = 6  # runs
UNKNOWN, NOT_SET = "-", "not set"
LONGEST = 160  # characters of a value
DIGITS = 4  # after the point, of a loss as words.loss4 tells it
ORDER = ("trigger", "model", "data", "lora", "train", "", "sample", "save")  # sections; what is of none of them: ""
HOW = "compare how the lines run, not how high they are."
MEASURE = ("model.base", "data.folder", "data.resolution", "train.shift", "train.guidance", "data.validation_images")


@dataclass(frozen=True)
class Difference:
    """A number or a setting, with what each of the runs says, in their order. `best` is the place of the best of them."""

    name: str
    values: list[str]
    best: int | None = None


@dataclass(frozen=True)
class Pictures:
    """A prompt and its picture of each run, in their order."""

    prompt: str
    seed: int | None
    pictures: list[Picture | None]


# ---- settings --------------------------------------------------------------------------------------------------------
def find_differences(known: Sequence[Known]) -> list[Difference]:
    """The settings in which at least two runs differ that both say them. What only one tool knows is no difference, nor is
    what a job asked a cluster for: it changes nothing that was learned."""
    names = sorted({name for each in known for name in each.values if not name.startswith("slurm.")}, key=_place)
    told = [Difference(name, [_tell(each, name, known) for each in known]) for name in names]
    return [each for each in told if len(set(each.values) - {UNKNOWN}) > 1]


def _tell(one: Known, name: str, known: Sequence[Known]) -> str:
    if name in one.values:
        return tell_value(name, one.values[name])
    is_unset = one.source != NOTHING and any(name in other.values for other in known if other.source == one.source)
    return NOT_SET if is_unset else UNKNOWN


def tell_value(name: str, value: Any) -> str:
    """A setting's value for people; the same number reads the same whichever tool wrote it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return words.learning_rate(float(value)) if name.endswith("learning_rate") else f"{value:,.10g}"
    if isinstance(value, list):  # what lies deeper is not told: a few lines of YAML can stand for a million values
        told = ("..." if isinstance(each, list | dict) else tell_value(name, each) for each in value[:LONGEST])
        value = "; ".join(told) or "none"
    text = NOT_SET if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _place(name: str) -> tuple[int, str]:
    section = name.partition(".")[0]
    return ORDER.index(section if section in ORDER else ""), name


def tell_measure(known: Sequence[Known], differences: Sequence[Difference]) -> str:
    """Why the losses of these runs cannot be compared with each other; empty where nothing known forbids it."""
    if len({each.source for each in known} - {NOTHING}) > 1:
        return f"Different tools trained them, and each measures its loss in its own way: {HOW}"
    found = [each.name for each in differences if each.name in MEASURE]
    return f"They differ in {' and '.join(found)}, which changes what a loss measures: {HOW}" if found else ""


# ---- numbers ---------------------------------------------------------------------------------------------------------
def list_numbers(runs: Sequence[tuple[History, Summary]], is_one_measure: bool) -> list[Difference]:
    """What the runs came to. Which validation loss is the best is said only where all of them measure the same."""
    learned = [[each for each in history.validation if each[0]] for history, _ in runs]  # at step 0 the base model is measured
    lowest = [min(each, key=lambda point: point[1], default=None) for each in learned]
    known = sorted((round(each[1], DIGITS), place) for place, each in enumerate(lowest) if each)
    is_alone = len(known) > 1 and known[0][0] != known[1][0]
    best = known[0][1] if is_alone and is_one_measure else None
    names = {name_loss(history) for history, _ in runs}
    loss = names.pop() if len(names) == 1 else f"{EPOCH_MEAN} or last step"
    return [
        Difference("State", [summary.label for _, summary in runs]),
        Difference("Progress", [summary.progress_text for _, summary in runs]),
        Difference(loss, [words.loss4(smoothed_loss(history)) for history, _ in runs]),
        Difference("Lowest validation", [_tell_lowest(each, run[0]) for each, run in zip(lowest, runs, strict=True)], best),
        Difference("Pace", [words.rate(history.seconds_per_step) for history, _ in runs]),
    ]


def _tell_lowest(lowest: tuple[int, float] | None, history: History) -> str:
    """0.3446 after epoch 6"""
    if lowest is None:
        return UNKNOWN
    is_end = history.finished and lowest[0] == history.total_steps and history.epoch
    return f"{words.loss4(lowest[1])} after {f'epoch {history.epoch:,}' if is_end else tell_learned(lowest[0], history)}"


# ---- samples ---------------------------------------------------------------------------------------------------------
def list_moments(grids: Sequence[Grid]) -> list[Column]:
    """Every moment at which one of the runs drew, the base model first."""
    return sorted(
        {column for grid in grids for column in grid.columns}, key=lambda column: (not column.is_epoch, column.number)
    )


def match_samples(grids: Sequence[Grid], moment: Column | None) -> tuple[list[Pictures], int]:
    """The prompts that at least two runs draw with one seed, and how many others there are. `moment`: None is the latest.

    A run that did not draw at that very moment shows what it drew last before it."""
    rows: dict[tuple[str, int | None], list[Row | None]] = {}
    for number, grid in enumerate(grids):
        for row in grid.rows:
            rows.setdefault((row.prompt, row.seed), [None] * len(grids))[number] = row
    shared = {key: found for key, found in rows.items() if len([row for row in found if row]) > 1}
    told = [
        Pictures(prompt, seed, [_pick(row, moment) if row else None for row in found])
        for (prompt, seed), found in shared.items()
    ]
    return told, len(rows) - len(shared)


def _pick(row: Row, moment: Column | None) -> Picture | None:
    fitting = [
        picture
        for column, picture in row.pictures.items()
        if moment is None or column.number == 0 or (column.is_epoch == moment.is_epoch and column.number <= moment.number)
    ]
    if moment is None:
        return max(fitting, key=lambda picture: (picture.column.number > 0, picture.time), default=None)
    return max(fitting, key=lambda picture: picture.column.number, default=None)
