"""The board of a run's LoRA files: a person's star and note for each, beside what the files and the log say of them.

Stars and notes are in board.json, written whole: a person's work. One that cannot be read is put aside, never overwritten.
"""

import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fluxgym.log.history import History
from fluxgym.run.lora_file import Header, read_header
from fluxgym.view import words
from fluxgym.view.checkpoints import Checkpoint, list_loras, place_of
from fluxgym.view.prompts import read_trigger
from fluxgym.view.samples import Column, Grid, grid
from trainer.disk import write_whole
from trainer.folder import RunFolder

NOTE = 500  # characters
ASIDE = ".damaged"
WRITES = 60.0  # s after its last change in which a file that is not whole may still be under way
_lock = threading.Lock()


@dataclass(frozen=True)
class Mark:
    """What a person thinks of a file."""

    star: bool = False
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """One LoRA file on the board."""

    lora: Checkpoint
    place: str  # in the run's folder
    mark: Mark
    header: Header
    column: Column | None  # of the samples that were drawn with it
    is_lowest: bool = False  # no other has a lower validation loss
    is_being_written: bool = False


class NotDeleted(ValueError):
    """A file that was not deleted, and why."""


def read_marks(folder: RunFolder) -> dict[str, Mark]:
    """Stars and notes by the file's place. Empty where there are none, or they cannot be read."""
    try:
        return _parse(folder.board.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def write_mark(folder: RunFolder, place: str, star: bool | None = None, note: str | None = None) -> None:
    """Changes what is given. Raises OSError where it cannot be kept."""
    with _lock:
        _put_aside(folder.board)
        marks = read_marks(folder)
        mark = marks.get(place, Mark())
        mark = replace(mark, star=mark.star if star is None else star)
        mark = replace(mark, note=mark.note if note is None else " ".join(note.split())[:NOTE])
        _write(folder, marks | {place: mark})


def list_entries(folder: RunFolder, history: History) -> list[Entry]:
    """The board: every LoRA file, the newest first."""
    loras, marks, columns = list_loras(folder, history), read_marks(folder), grid(folder).columns
    known = [lora.validation for lora in loras if lora.validation is not None]
    lowest = min(known) if len(known) > 1 else None
    entries = []
    for lora in loras:
        header, place = read_header(lora.path), place_of(folder, lora.path)
        is_lowest = lowest is not None and lora.validation == lowest
        writes = bool(header.problem) and time.time() - lora.modified < WRITES
        column = find_column(lora, columns)
        entries.append(Entry(lora, place, marks.get(place, Mark()), header, column, is_lowest, writes))
    return entries


def find_column(lora: Checkpoint, columns: list[Column]) -> Column | None:
    """The column of samples that were drawn with these weights; None where none was drawn at that moment."""
    fitting = [] if lora.is_by_step else [Column(lora.epoch or 0)]
    fitting += [Column(lora.step or 0, is_epoch=False)]
    return next((column for column in fitting if column.number and column in columns), None)


def tell_loss(folder: RunFolder, entry: Entry, entries: list[Entry]) -> list[str]:
    """What goes with a file that is deleted, in sentences."""
    told = [f"{words.size(entry.lora.size)} on the disk become free. A file that is deleted cannot be brought back."]
    if len(entries) == 1:
        told.append("It is the only LoRA file of this run: what was learned is then in its states alone, if it has any.")
    elif entry.lora.path == folder.lora:
        told.append("It is the final LoRA, with which the run counts as completed.")
    if entry.is_lowest:
        told.append("None of the others has a validation loss as low as its own.")
    if entry.mark.star:
        told.append("You gave it a star.")
    if entry.mark.note:
        told.append(f"Your note goes with it: {entry.mark.note}")
    return told


def delete_lora(folder: RunFolder, place: str, history: History) -> None:
    """Deletes one file of the board and its mark; nothing else can be named. Raises NotDeleted, or OSError."""
    entry = next((each for each in list_entries(folder, history) if each.place == place), None)
    if folder.is_read_only:
        raise NotDeleted(f"{folder.title} was opened to be read: nothing in it is deleted")
    if entry is None:
        raise NotDeleted(f"got {place}, expected a LoRA file of {folder.name} that is there")
    if entry.is_being_written:
        raise NotDeleted(f"{place} is still being written: {entry.header.problem}")
    entry.lora.path.unlink()
    folder.kohya_copy(entry.lora.path).unlink(missing_ok=True)
    with _lock:
        marks = read_marks(folder)
        if marks.pop(place, None):
            _write(folder, marks)


def tell_board(folder: RunFolder, history: History) -> dict[str, Any]:
    """The board as checkpoint_board.js draws it. Its version is other when anything in it is."""
    entries, trigger, drawn = list_entries(folder, history), read_trigger(folder), grid(folder)
    told: dict[str, Any] = {
        "trigger": trigger,
        "deletes": not folder.is_read_only,
        "samples": drawn.version,
        "files": [_tell_entry(entry, drawn) for entry in entries],
    }
    version = hashlib.blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()
    return told | {"version": version}


def _tell_entry(entry: Entry, drawn: Grid) -> dict[str, Any]:
    lora = entry.lora
    return {
        "place": entry.place,
        "label": lora.label,
        "step": lora.step,
        "epoch": lora.epoch,
        "validation": None if lora.validation is None else words.loss4(lora.validation),
        "lowest": entry.is_lowest,
        "size": words.size(lora.size),
        "modified": int(lora.modified),
        "column": drawn.columns.index(entry.column) if entry.column else None,
        "problem": "is being written" if entry.is_being_written else entry.header.problem,
        **asdict(entry.mark),
    }


def tell_file(folder: RunFolder, entry: Entry) -> dict[str, Any]:
    """What one file says of itself: in our words, then its metadata as they are."""
    header, said = entry.header, entry.header.metadata
    rank, alpha = header.rank, said.get("ss_network_alpha")
    facts = {
        "Base model": said.get("modelspec.architecture") or said.get("ss_base_model_version"),
        "Rank": None if rank is None else f"{rank}{f', alpha {alpha}' if alpha else ''}",
        "Numbers": f"{header.parameters:,} in {words.plural(header.tensors, 'tensor')}, {header.dtype}"
        if header.tensors
        else None,
        "Trained at": said.get("modelspec.resolution") or said.get("ss_resolution"),
        "Made by": said.get("modelspec.implementation") or said.get("software"),
        "Damage": header.problem or None,
        "File": str(entry.lora.path.absolute()),
    }
    return {"facts": {name: value for name, value in facts.items() if value}, "metadata": dict(sorted(said.items()))}


def _parse(data: bytes) -> dict[str, Mark]:
    files = json.loads(data)["files"]
    return {str(place): Mark(bool(said.get("star")), str(said.get("note", ""))) for place, said in files.items()}


def _put_aside(board: Path) -> None:
    """Keeps a board that cannot be read: it may hold what somebody wrote by hand."""
    try:
        _parse(board.read_bytes())
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        board.replace(board.with_name(board.name + ASIDE))


def _write(folder: RunFolder, marks: dict[str, Mark]) -> None:
    kept = {place: asdict(mark) for place, mark in sorted(marks.items()) if mark != Mark()}
    write_whole(folder.board, json.dumps({"version": 1, "files": kept}, indent=1, ensure_ascii=False).encode())
