"""The runs that ended, thousands of them: which are asked for, in which order, and what is said of those that are shown.

Names, states and times are known of all at once (fluxgym/run/index.py). What a log says is read for the rows in view; that of
all others beside the pages, the last first, and kept in the index, so that it is read once."""

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.log.history import History
from fluxgym.run.folders import log_of, outputs_root
from fluxgym.run.index import OPEN, Index, Known, do_all, get_index
from fluxgym.run.status import Status, read_status
from fluxgym.view import words
from fluxgym.view.ended import find_where
from fluxgym.view.summary import proven_state, smoothed_loss, summarise
from trainer.folder import RunFolder

LATEST, BY_NAME, LOWEST = "Ended last", "Name", "Lowest loss"
ORDERS = (LATEST, BY_NAME, LOWEST)
OTHERS = "not ours"  # in place of a state: started by another tool, and its log does not prove how it ended
FILLER = "fluxgym: what the logs say"  # a thread's name
_filling: dict[Index, threading.Thread] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Row:
    """What is said of one run."""

    name: str
    state: str | None
    label: str
    sentence: str
    progress: str
    loss: float | None  # see smoothed_loss; NaN while it was no number
    ended: float  # s since 1970; 0: not known
    line: float | None  # when its log was last written, s since 1970
    is_settled: bool  # it has its verdict, which says when it ended
    facts: dict[str, Any]  # of Status and History, by their names there

    def tell_age(self, now: float) -> str:
        """As a Summary's age_text."""
        if self.is_settled:
            return f"{self.state} {words.age(now - self.ended)}"
        return "no line yet" if self.line is None else f"last line {words.age(now - self.line)}"


def count_states(folders: Sequence[RunFolder]) -> Counter[str]:
    """How many runs ended in which way."""
    find = _finder()
    return Counter(_state(find(folder.name), folder) for folder in folders)


def pick(folders: Sequence[RunFolder], text: str = "", states: Sequence[str] = (), order: str = LATEST) -> list[RunFolder]:
    """Those that are asked for, in their order. `folders`: the last first. `text`: part of a name; `states`: none is all."""
    find, wanted = _finder(), text.strip().lower()
    picked = [folder for folder in folders if wanted in folder.name.lower()] if wanted else list(folders)
    if states:
        picked = [folder for folder in picked if _state(find(folder.name), folder) in states]
    if order == BY_NAME:
        picked.sort(key=lambda folder: folder.name.lower())
    if order == LOWEST:
        picked.sort(key=lambda folder: _loss(find(folder.name)))
    return picked


def count_unread(folders: Sequence[RunFolder]) -> int:
    """Of how many the log is yet to be read: they are the last where losses are compared."""
    find = _finder()
    return sum((known := find(folder.name)) is None or known.told is None for folder in folders)


def tell_rows(folders: Sequence[RunFolder]) -> list[Row]:
    """What is said of these runs; the log is read of those of which nothing is known."""
    index = get_index(outputs_root())
    return do_all(lambda folder: _tell_row(index, folder), folders)


def tell_settled(folder: RunFolder) -> Row | None:
    """What is said of a run that ended; None where it is, or may be, under way, or was not there at the last look."""
    index = get_index(outputs_root())
    known = index.find(folder.name)
    return _tell_row(index, folder) if known and known.kind != OPEN else None


def save() -> None:
    """Keeps what was read for the next process. For one that ends at once."""
    get_index(outputs_root()).save(is_last=True)


def fill() -> None:
    """Reads what is not known yet, beside whoever asks for it."""
    index = get_index(outputs_root())
    with _lock:
        if index not in _filling or not _filling[index].is_alive():
            _filling[index] = threading.Thread(target=_fill, args=[index], name=FILLER, daemon=True)
            _filling[index].start()


def _fill(index: Index) -> None:
    ended = index.look(glance=True).ended
    index.save(is_last=True)  # should the server end before all is read
    for known in ended:
        if known.told is not None:
            continue
        begin = time.thread_time()
        _know(index, known)
        index.save()
        time.sleep(time.thread_time() - begin)  # pages come first
    index.save(is_last=True)


def _finder() -> Any:
    return get_index(outputs_root()).find


def _tell_row(index: Index, folder: RunFolder) -> Row:
    known = index.find(folder.name)
    if known is None or known.kind == OPEN:
        return Row(folder.name, **_read(folder), ended=time.time(), is_settled=False)
    return Row(folder.name, **_know(index, known), ended=known.ended, is_settled=known.state is not None)


def _know(index: Index, known: Known) -> dict[str, Any]:
    if known.told is None:
        index.keep(known, _read(known.folder))
    return known.told or {}


def _read(folder: RunFolder) -> dict[str, Any]:
    """All that a row says of a run, but when it ended."""
    history = History(log_of(folder))
    try:
        status = read_status(folder)
        history.update()
    except OSError as error:
        status = Status(None, f"It cannot be read: {error}.")
    summary = summarise(folder, status, history, with_numbers=False)
    age, (step, total) = history.last_line_age_seconds, find_where(status, history)
    return {
        "state": status.state or proven_state(history),
        "label": summary.label,
        "sentence": summary.sentence,
        "progress": summary.progress_text,
        "loss": smoothed_loss(history),
        "line": None if age is None else time.time() - age,
        "facts": {
            "message": status.message,
            "attempt": status.attempt,
            "step": step,
            "total_steps": total,
            "epoch": history.epoch,
            "total_epochs": history.total_epochs,
            "loss": history.loss,
            "places": status.places,
            "resumable_from": status.resumable.path.name if status.resumable else None,
        },
    }


def _state(known: Known | None, folder: RunFolder) -> str:
    if known is None or known.kind == OPEN:
        return read_status(folder).state or OTHERS
    return known.state or (known.told or {}).get("state") or OTHERS


def _loss(known: Known | None) -> float:
    loss = known.told.get("loss") if known and known.told else None
    return float(loss) if loss is not None and math.isfinite(loss) else math.inf
