"""The samples of a run inside of one HTML page: each a WebP of its pixels alone, all together not larger than a mail takes.

What would be too large is made smaller, down to SMALLEST; after that some columns between the first and the last are left out.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from math import sqrt
from pathlib import Path

from PIL import Image

from fluxgym.run.folders import roots_of
from fluxgym.view import samples, words
from fluxgym.view.samples import Column, Row
from fluxgym.view.thumbnails import LARGEST, write_bytes
from trainer.folder import RunFolder

BUDGET = 12_000_000  # bytes of all pictures, about
OF_PIXEL = 0.11  # bytes, at QUALITY
QUALITY = 86
SMALLEST = 384  # px, the longer side
MOST_COLUMNS = 60
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
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
    paths = [picture.path for row in grid.rows for picture in row.pictures.values()]
    sizes = {path: size for path in paths if (size := _measure(folder, path))}
    columns = _pick(grid.columns, MOST_COLUMNS)
    side = _find_side(grid.rows, columns, sizes)
    while side < SMALLEST and len(columns) > 2:
        columns = _pick(grid.columns, max(2, len(columns) * 3 // 4))
        side = _find_side(grid.rows, columns, sizes)
    side = max(side, SMALLEST)
    notes = [f"{len(columns)} of {len(grid.columns)} {_name(grid.columns)}s"] if len(columns) < len(grid.columns) else []
    notes += [f"at most {side:,} px"] if any(max(size) > side for size in sizes.values()) else []
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
            picture = row.pictures.get(column)
            data = _encode(folder, picture.path, plan.side) if picture else None
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


def _find_side(rows: list[Row], columns: list[Column], sizes: dict[Path, tuple[int, int]]) -> int:
    shown = [sizes[row.pictures[column].path] for row in rows for column in columns if _is_known(row, column, sizes)]
    pixels = sum(width * height for width, height in shown)
    if pixels * OF_PIXEL <= BUDGET:
        return LARGEST
    longest = max(max(size) for size in shown)
    return int(longest * sqrt(BUDGET / (pixels * OF_PIXEL))) // 32 * 32


def _is_known(row: Row, column: Column, sizes: dict[Path, tuple[int, int]]) -> bool:
    return column in row.pictures and row.pictures[column].path in sizes


def _name(columns: list[Column]) -> str:
    return "epoch" if all(column.is_epoch for column in columns) else "column"


def _measure(folder: RunFolder, path: Path) -> tuple[int, int] | None:
    """Width and height; None where it cannot be read, or where a link leads out of the run."""
    try:
        if not any(map(path.resolve().is_relative_to, roots_of(folder))):
            return None
        with Image.open(path) as image:
            return image.size
    except UNREADABLE:
        return None


def _encode(folder: RunFolder, path: Path, side: int) -> bytes | None:
    return write_bytes(path, side, QUALITY) if _measure(folder, path) else None
