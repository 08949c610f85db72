"""The verb that has captions written by a model: caption."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fluxgym.terminal.output import DONE, FAILED, LOOK_EVERY
from fluxgym.terminal.verbs import Verbs

if TYPE_CHECKING:
    from fluxgym.job.folder import JobStatus


def add_verbs(verbs: Verbs) -> None:
    text = "have captions written by a model, of images that have none; what a person wrote stays"
    sub = verbs.add(caption, text, "tell how far it is until it has ended; exit code 1 when it failed")
    sub.add_argument("place", metavar="DATASET", help="a data set by its name, or a folder")
    sub.add_argument("--model", metavar="NAME", help="a name on the Hub, or a folder (default: Florence-2 base)")
    sub.add_argument("--detail", choices=("short", "detailed", "long"), help="how much it says (default: detailed)")
    sub.add_argument("--prompt", metavar="TEXT", help="what a model that chats is asked, in place of --detail")
    sub.add_argument("--trigger", metavar="WORD", help="a word that each caption begins with")
    sub.add_argument("--again", action="store_true", help="also those that a model wrote, and nobody has changed since")
    sub.add_argument("--device", choices=("auto", "cpu"), help="auto: a GPU on which no run trains, else the CPU")
    sub.add_argument("--stop", action="store_true", help="stop one that is under way; what is written stays")


def caption(options: argparse.Namespace) -> int:
    from fluxgym.dataset.captioning import Order, find_captioning, start_captioning
    from fluxgym.job.begin import stop_job

    place = _find_place(options.place)
    status = find_captioning(place)
    if options.stop:
        if status is None or not status.is_active:
            raise ValueError(f"got {options.place}, expected a data set for which captions are being written")
        stop_job(status.job)
        return _tell_end(find_captioning(place) or status)
    if status is not None and status.is_active and options.wait:
        return _wait(place)
    given = {name: getattr(options, name) for name in ("model", "detail", "prompt", "trigger", "again", "device")}
    start_captioning(place, Order(**{name: value for name, value in given.items() if value is not None}))
    begun = find_captioning(place)
    assert begun is not None, "it was just begun"
    print(f"{begun.about.title}: begun. The page shows how far it is, and so does: python -m fluxgym caption {place} --wait")
    return _wait(place) if options.wait else DONE


def _find_place(given: str) -> Path:
    """A data set by its name counts before a folder here. Raises ValueError."""
    from fluxgym.dataset.captions import find_place
    from fluxgym.dataset.sets import find_set, list_sets

    found = find_set(given) or find_place(str(Path(given).expanduser().absolute()) if given and "\0" not in given else "")
    if found is None:
        names = ", ".join(sorted(path.name for path in list_sets())) or "none is there"
        raise ValueError(f"got {given!r}, expected a folder of images, a dataset.toml, or a data set: {names}")
    return found


def _wait(place: Path) -> int:
    """Tells how far it is. Ctrl-C ends the waiting, not the work."""
    from fluxgym.dataset.captioning import find_captioning
    from fluxgym.view.job_words import tell_progress

    said = ""
    try:
        while (status := find_captioning(place)) and status.is_active:
            note = f" ({status.said.note})" if status.said and status.said.note else ""
            if (told := f"{tell_progress(status)}{note}") != said:
                print(told, flush=True)
                said = told
            time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        print("It goes on. Stop it with: python -m fluxgym caption DATASET --stop")
        raise
    assert status is not None, "it was just begun"
    return _tell_end(status)


def _tell_end(status: "JobStatus") -> int:
    from fluxgym.job.folder import DONE as ENDED_WELL
    from fluxgym.job.folder import STOPPED

    told = status.message or str(status.said.result.get("told", "") if status.said else "")
    is_well = status.state in (ENDED_WELL, STOPPED)
    print(f"{status.about.title}: {status.state}. {told}".rstrip(), file=sys.stdout if is_well else sys.stderr)
    return DONE if is_well else FAILED
