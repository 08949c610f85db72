"""A shared run in a messenger: the title and the line that are shown of its link, and its last sample as a card."""

from pathlib import Path

from fluxgym.access.redact import redactor_of
from fluxgym.view import samples, thumbnails
from fluxgym.view.visitor_look import look_at
from trainer.folder import RunFolder

TRIED = 3  # pictures: the last one may be being written


def tell_card(folder: RunFolder) -> tuple[str, str]:
    """Title and description: ("robot - Running, epoch 3 of 16", "Learning steadily. ..."). Raises OSError."""
    seen = look_at(folder)
    history, label = seen.history, seen.summary.label
    where = ""
    if history.epoch and history.total_epochs:
        where = f", epoch {history.epoch:,} of {history.total_epochs:,}"
    elif history.step and history.total_steps:
        where = f", step {history.step:,} of {history.total_steps:,}"
    return f"{redactor_of(folder).text(folder.title)} - {label}{where}", seen.summary.sentence


def find_card(folder: RunFolder) -> Path | None:
    """Its last sample, of its first prompt, as a .jpg; None where there is none, or it is not whole yet."""
    grid = samples.grid(folder)
    drawn = [row.pictures[column] for column in reversed(grid.columns) for row in grid.rows if column in row.pictures]
    root = folder.path.resolve()
    inside = (picture.path for picture in drawn[:TRIED] if picture.path.resolve().is_relative_to(root))
    return next((card for path in inside if (card := thumbnails.card(folder, path))), None)
