"""The order of the runs, one for the Runs page and the terminal: what needs a person first, what ended last."""

from fluxgym.run.folders import is_text, list_runs, log_of
from fluxgym.run.queue import Ticket, read_line
from fluxgym.run.record import NAN, STALLED, Record, read_record
from fluxgym.run.status import read_status
from trainer.folder import RunFolder


def sort_runs(line: list[Ticket] | None = None, only_text: bool = False) -> tuple[list[RunFolder], list[RunFolder]]:
    """The runs under way: those that hang or have no loss, the others that train, each the latest first, then those that wait,
    in their order. And those that ended, the last first.

    Of a run that has its verdict, or waits, nothing but its record is read. `line`: as read_line just told it.
    `only_text`: without those whose names no page can show."""
    active: dict[RunFolder, tuple[bool, float]] = {}  # whether it is well, when it began
    waiting: dict[RunFolder, int] = {}  # its place
    earlier: dict[RunFolder, float] = {}  # when it ended
    places = {ticket.folder: number for number, ticket in enumerate(read_line() if line is None else line)}
    for folder in (run for run in list_runs() if is_text(run.name) or not only_text):
        record = read_record(folder)
        if record and record.state == "queued":
            waiting[folder] = places.get(str(folder.path.resolve()), len(places))
        elif (record and record.verdict) or not (status := read_status(folder)).is_active:
            earlier[folder] = _find_end(folder, record)
        else:
            is_well = status.health is None or status.health.verdict not in (STALLED, NAN)
            active[folder] = is_well, -(status.started or 0.0)
    under_way = sorted(active, key=lambda folder: (active[folder], folder.name))
    under_way += sorted(waiting, key=lambda folder: (waiting[folder], folder.name))
    return under_way, sorted(earlier, key=lambda folder: (-earlier[folder], folder.name))


def _find_end(folder: RunFolder, record: Record | None) -> float:
    """When it ended, s since 1970; of a run without a verdict, when its log was last written."""
    if record and record.verdict:
        return record.since
    try:
        return log_of(folder).stat().st_mtime
    except OSError:
        return 0.0
