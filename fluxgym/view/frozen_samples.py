"""The samples of a run inside of one HTML page: each a WebP of its pixels alone, all together not larger than a mail takes.

What would be too large is made smaller, after that some columns between the first and the last are left out.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fluxgym.run.folders import roots_of
from fluxgym.view import samples, words
from fluxgym.view.samples import Column, Row
from fluxgym.view.thumbnails import LARGEST, write_bytes
from trainer.folder import RunFolder

BUDGET = 12_000_000  # bytes of all pictures, about
QUALITY = 85
SIDES = (LARGEST, 1024, 768, 640, 512, 384)  # px, the longer side: the first with which they fit
PROBES = 4  # pictures that are made to know how large all will be
MOST_COLUMNS = 60
Tell = Callable[[str], str]


@dataclass(frozen=True)
class Plan:
    """Which samples go into the page, and how large."""

    rows: list[Row]
    columns: list[Column]
    side: int  # px, the longest that a picture may have
    note: str  # what was made smaller or left out


def plan_samples(folder: RunFolder) -> Plan:
    """What fits into BUDGET."""
    grid = samples.grid(folder)
    columns = _pick(grid.columns, MOST_COLUMNS)
    paths = [path for row in grid.rows for column in columns if (path := _find(folder, row, column))]
    sizes = ((side, _guess(paths, side)) for side in SIDES)
    side, size = next((each for each in sizes if each[1] <= BUDGET), (SIDES[-1], _guess(paths, SIDES[-1])))
    if size > BUDGET:
        columns = _pick(grid.columns, max(2, int(len(columns) * BUDGET / size)))
    notes = [f"{len(columns)} of {len(grid.columns)} {_name(grid.columns)}s"] if len(columns) < len(grid.columns) else []
    notes += [f"at most {side:,} px"] if side < LARGEST else []
    return Plan(grid.rows, columns, side, ", ".join(notes))


def write_samples(folder: RunFolder, plan: Plan, tell: Tell) -> Iterator[str]:
    """The rows of the table, a picture at a time. `tell` makes of a prompt what may be read."""
    yield '<div class="row head" role="row"><span class="prompt" role="columnheader"></span>'
    yield "".join(f'<span class="label" role="columnheader">{escape(each.label)}</span>' for each in plan.columns) + "</div>"
    for row in plan.rows:
        prompt, seed = escape(tell(row.prompt)), "" if row.seed is None else f"seed {row.seed}"
        yield f'<div class="row" role="row"><span class="prompt" role="rowheader"><span dir="auto">{prompt}</span>'
        yield f"<small>{seed}</small></span>"
        for number, column in enumerate(plan.columns):
            path = _find(folder, row, column)
            data = write_bytes(path, plan.side, QUALITY) if path else None
            said = f"{prompt}, {escape(column.label)}"
            if data is None:
                yield f'<span class="cell none" role="cell" aria-label="{said}: no picture"></span>'
            else:
                source = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
                yield f'<button type="button" class="cell" data-column="{number}" title="{said}">'
                yield f'<img alt="{said}" src="{source}"></button>'
        yield "</div>"


def tell_count(plan: Plan) -> str:
    """50 samples of 5 prompts"""
    count = sum(column in row.pictures for row in plan.rows for column in plan.columns)
    told = f"{words.plural(count, 'sample')} of {words.plural(len(plan.rows), 'prompt')}"
    return f"{told}; {plan.note}" if plan.note else told


def _pick(columns: list[Column], most: int) -> list[Column]:
    """At most so many, evenly, the first and the last among them."""
    count = len(columns)
    return columns if count <= most else [columns[round(number * (count - 1) / (most - 1))] for number in range(most)]


def _guess(paths: list[Path], side: int) -> int:
    """How many bytes all have, about, when they are at most `side` px long."""
    probes = paths[:: max(1, len(paths) // PROBES)][:PROBES]
    made = [len(data) for path in probes if (data := write_bytes(path, side, QUALITY))]
    return sum(made) * len(paths) // max(1, len(made))


def _find(folder: RunFolder, row: Row, column: Column) -> Path | None:
    """The picture; None where there is none, or where a link leads out of the run."""
    picture = row.pictures.get(column)
    try:
        is_inside = picture and any(map(picture.path.resolve().is_relative_to, roots_of(folder)))
    except OSError:
        return None
    return picture.path if picture and is_inside else None


def _name(columns: list[Column]) -> str:
    return "epoch" if all(column.is_epoch for column in columns) else "column"
