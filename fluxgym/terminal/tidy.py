"""The verb that tidies up: archive."""

import argparse
import sys
import time

from fluxgym.run.folders import find_run, shown_path
from fluxgym.run.launch import refuse_active, refuse_read_only
from fluxgym.run.old_logs import Archived, archive_log, delete, find_older, list_archived
from fluxgym.terminal.output import DONE, WRONG_USE, print_table
from fluxgym.terminal.verbs import RUN, Verbs
from trainer.folder import RunFolder


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(archive, "move the log of an ended run into logs/; list or delete logs that were archived")
    sub.add_argument("name", metavar="NAME", help=RUN)
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="only list what was archived")
    what.add_argument("--delete", action="store_true", help="delete archived logs for good; no LoRA, state or sample")
    sub.add_argument("--older-than", type=_days, metavar="DAYS", help="only those that were archived so long ago")
    sub.add_argument("--yes", action="store_true", help="delete without being asked")


def archive(options: argparse.Namespace) -> int:
    folder = find_run(options.name)
    if options.list:
        return _list(folder, options.older_than)
    if options.delete:
        return _delete(folder, options.older_than or 0.0, options.yes)
    if options.older_than is not None or options.yes:
        raise ValueError("got --older-than or --yes alone, expected them with --delete or --list")
    archived = archive_log(folder)
    print(f"{folder.name}: its log is in {shown_path(archived.path)} now, {_size(archived.size)} packed.")
    print("Its curve is no longer drawn, and a resume begins a new log. LoRA files, states and samples are where they were.")
    return DONE


def _list(folder: RunFolder, days: float | None) -> int:
    found = list_archived(folder) if days is None else find_older(folder, days)
    if not found:
        print(f"{folder.name}: nothing was archived{'' if days is None else ' so long ago'}.")
        return DONE
    rows = []
    for each in found:
        log = f"logs of {_size(each.size)}" if each.files else "no logs"
        rows.append([each.path.name, _date(each), log, each.keeps or "nothing else"])
    print_table(rows)
    return DONE


def _delete(folder: RunFolder, days: float, is_sure: bool) -> int:
    refuse_read_only(folder)
    refuse_active(folder)
    found = find_older(folder, days)
    if not found:
        print(f"{folder.name}: no archived log {'is that old' if days else 'is there'}; nothing was deleted.")
        return DONE
    print(f"The logs of {_starts(len(found))} of {folder.name} are lost for good, and the curves that are drawn from them:")
    print_table([[each.path.name, _date(each), _size(each.size)] for each in found])
    if not is_sure and not sys.stdin.isatty():
        print("fluxgym: nothing was deleted; say --yes to delete them", file=sys.stderr)
        return WRONG_USE
    if not is_sure and input("Delete them? [y/N] ").strip().lower() not in ("y", "yes"):
        print("Nothing was deleted.")
        return DONE
    deleted = delete(folder, days)
    kept = ", ".join(each.keeps for each in deleted if each.keeps)
    print(f"Deleted: {_size(sum(each.size for each in deleted))}.{f' Kept beside them: {kept}.' if kept else ''}")
    return DONE


def _starts(count: int) -> str:
    return "1 earlier start" if count == 1 else f"{count} earlier starts"


def _date(archived: Archived) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(archived.archived))


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of days, 0 or more")
    return days
