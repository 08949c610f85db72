"""The order of the runs, one for the Runs page and the terminal: what needs a person first, what ended last."""

from fluxgym.run.folders import is_text, log_of, outputs_root
from fluxgym.run.index import Runs, get_index
from fluxgym.run.queue import Ticket, read_line
from fluxgym.run.record import NAN, STALLED, Record, read_record
from fluxgym.run.status import read_status
from trainer.folder import RunFolder


def sort_runs(
    line: list[Ticket] | None = None, only_text: bool = False, glance: bool = False
) -> tuple[list[RunFolder], list[RunFolder]]:
    """The runs under way: those that hang or have no loss, the others that train, each the latest first, then those that wait,
    in their order. And those that ended, the last first.

    Nothing is read of a run that ended and was read before, see fluxgym.run.index. `line`: as read_line just told it.
    `only_text`: without those whose names no page can show. `glance`: for a refresh, which takes as long however many ended."""
    active: dict[RunFolder, tuple[bool, float]] = {}  # whether it is well, when it began
    waiting: dict[RunFolder, int] = {}  # its place
    unsettled: list[tuple[float, str, RunFolder]] = []  # nobody wrote yet how they ended
    places = {ticket.folder: number for number, ticket in enumerate(read_line() if line is None else line)}
    runs = get_index(outputs_root()).look(glance)
    for folder in (known.folder for known in runs.open if is_text(known.name) or not only_text):
        record = read_record(folder)
        if record and record.state == "queued":
            waiting[folder] = places.get(str(folder.path.resolve()), len(places))
        elif (record and record.verdict) or not (status := read_status(folder)).is_active:
            unsettled.append((-_find_end(folder, record), folder.name, folder))
        else:
            is_well = status.health is None or status.health.verdict not in (STALLED, NAN)
            active[folder] = is_well, -(status.started or 0.0)
    under_way = sorted(active, key=lambda folder: (active[folder], folder.name))
    under_way += sorted(waiting, key=lambda folder: (waiting[folder], folder.name))
    return under_way, _merge(runs, unsettled, only_text)


def find_latest() -> str | None:
    """The run that somebody wants to see who names none: the first of those under way, or the last that ended."""
    return next((folder.name for part in sort_runs(only_text=True, glance=True) for folder in part), None)


def _merge(runs: Runs, unsettled: list[tuple[float, str, RunFolder]], only_text: bool) -> list[RunFolder]:
    """All that ended, the last first."""
    if not unsettled:
        return runs.shown if only_text else [known.folder for known in runs.ended]
    ended = [(-known.ended, known.name, known.folder) for known in runs.ended if not only_text or is_text(known.name)]
    return [folder for _, _, folder in sorted(ended + unsettled, key=lambda each: each[:2])]


def _find_end(folder: RunFolder, record: Record | None) -> float:
    """When it ended, s since 1970; of a run without a verdict, when its log was last written."""
    if record and record.verdict:
        return record.since
    try:
        return log_of(folder).stat().st_mtime
    except OSError:
        return 0.0
