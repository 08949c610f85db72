"""The verbs that look: list, show, compare, log. They send a supervisor where one is missing, and change nothing else but that
`show` remembers the folder of somebody else, so that the pages can show it."""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fluxgym.log.follow import Follower
from fluxgym.log.history import History, get_history
from fluxgym.log.tail import tail
from fluxgym.run.folders import find_run, has_run, log_of, outputs_root, shown_path
from fluxgym.run.launch import look_after
from fluxgym.run.old_logs import PACKED, find_moved
from fluxgym.run.queue import Ticket, read_line
from fluxgym.run.status import Status
from fluxgym.terminal.output import DONE, follow, print_table, shown
from fluxgym.terminal.verbs import AS_DATA, Verbs
from trainer.folder import RunFolder

if TYPE_CHECKING:
    from fluxgym.view.earlier import Row

NO_SWEEP = "got the sweep {!r}, expected one of which a run is there"
LISTED = 5  # the last files that `show` names of each kind; --json has all


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(list_, "all runs")
    sub.add_argument("--sweep", metavar="NAME", help="only those of this sweep, in the order of what was set")
    sub.add_argument("--json", action="store_true", help=AS_DATA)
    sub = verbs.add(show, "what is known of a run")
    sub.add_argument("target", metavar="TARGET", help="a run's name, any folder, or any log file")
    sub.add_argument("--json", action="store_true", help=AS_DATA)
    sub = verbs.add(compare, "how runs did, and the settings in which they differ")
    sub.add_argument("targets", metavar="TARGET", nargs="*", help="two runs' names or folders, or more")
    sub.add_argument("--sweep", metavar="NAME", help="all runs of this sweep instead, with what was varied and the best marked")
    sub.add_argument("--json", action="store_true", help=AS_DATA)
    sub = verbs.add(log, "the training's log")
    sub.add_argument("target", metavar="NAME|PATH", help="a run's name, any folder, or any log file")
    sub.add_argument("-n", dest="lines", type=_count, default=100, help="how many of the last lines")
    sub.add_argument("-f", dest="follow", action="store_true", help="go on until the run has ended")
    sub.add_argument("--monitor", action="store_true", help="the supervisor's log instead")


def list_(options: argparse.Namespace) -> int:
    from fluxgym.sweep.mark import find_members
    from fluxgym.view import earlier
    from fluxgym.view.earlier import Row
    from fluxgym.view.order import sort_runs

    line = read_line()
    folders = find_members(options.sweep) if options.sweep is not None else [*itertools.chain(*sort_runs(line))]
    if options.sweep is not None and not folders:
        raise ValueError(NO_SWEEP.format(options.sweep))
    found = [earlier.tell_settled(folder) or (folder, *_look(folder, line)) for folder in folders]
    earlier.save()
    if options.json:
        print(json.dumps([_row_of(each) if isinstance(each, Row) else _row(*each) for each in found], indent=1))
    elif not found:
        print(f"No run in {shown_path(outputs_root())} yet. Try: python -m fluxgym demo")
    else:
        print_table([_cells_of(each) if isinstance(each, Row) else _cells(*each) for each in found])
    return DONE


def show(options: argparse.Namespace) -> int:
    target = _target(options.target)
    from fluxgym.view.show import list_fields, read_target

    if target.is_dir() and target.parent == outputs_root():
        look_after(RunFolder(target))
    seen = read_target(target)
    fields = list_fields(seen)
    if options.json:
        print(json.dumps(fields, indent=1))
        return DONE
    if seen.folder and (summary := seen.summarise()):
        print(f"{shown(seen.folder.title)}: {summary.label}. {summary.sentence}")
        has_more = summary.next_step and summary.state == "failed"  # of other ends the sentence says it
        print(*([summary.next_step] if has_more else []), "", sep="\n")
    width = max(map(len, fields))
    for key, value in fields.items():
        print(f"{key:{width}}  {_readable(value)}".replace("  \n", "\n"))
    if target.is_dir():
        _tell_pages(target)
    return DONE


def compare(options: argparse.Namespace) -> int:
    from fluxgym.view import compare as view
    from fluxgym.view.known_settings import read_known
    from fluxgym.view.summary import summarise

    if options.sweep is not None:
        return _compare_sweep(options)
    folders = list(dict.fromkeys(_folder(_target(text)) for text in options.targets))
    if len(folders) < 2:
        raise ValueError(f"got {len(folders) or 'no'} run, expected two or more to compare")
    line = read_line()
    looks = [(folder, *_look(folder, line)) for folder in folders]
    known = [read_known(folder) for folder in folders]
    differences = view.find_differences(known)
    measure = view.tell_measure(known, differences)
    told = [(history, summarise(folder, status, history)) for folder, status, history in looks]
    numbers = view.list_numbers(told, is_one_measure=not measure)
    if options.json:
        rows = {
            part: {each.name: each.values for each in rows} for part, rows in (("runs", numbers), ("settings", differences))
        }
        print(json.dumps({"names": [folder.title for folder in folders], **rows, "note": measure or None}, indent=1))
        return DONE
    print_table(
        [["", *(shown(folder.title) for folder in folders)], *([each.name, *each.values] for each in numbers + differences)]
    )
    if measure:
        print(measure)
    return DONE


def _compare_sweep(options: argparse.Namespace) -> int:
    from fluxgym.sweep.mark import find_members
    from fluxgym.terminal.sweep import print_table_of
    from fluxgym.view.summary import summarise

    if options.targets:
        raise ValueError(f"got {options.targets[0]} and --sweep {options.sweep}, expected runs or a sweep")
    line = read_line()
    looks = [(folder, *_look(folder, line)) for folder in find_members(options.sweep)]
    if not looks:
        raise ValueError(NO_SWEEP.format(options.sweep))
    runs = [(folder, history, summarise(folder, status, history)) for folder, status, history in looks]
    return print_table_of(options.sweep, runs, options.json)


def log(options: argparse.Namespace) -> int:
    target = _target(options.target)
    folder = _folder(target) if target.is_dir() else None
    path = _log_of(folder, options.monitor) if folder else target
    if folder and path.suffix == PACKED:
        print(f"fluxgym: its log was archived, and is {shown_path(path)} now", file=sys.stderr)
    end = tail(path, options.lines, only_whole=options.follow)  # an unfinished line is not printed in two halves
    for line in end.lines:
        print(line)
    if options.follow:
        for line in follow(Follower(path, end.size), lambda: folder is None or _may_go_on(look_after(folder))):
            print(line, flush=True)
    return DONE


def _tell_pages(target: Path) -> None:
    """Remembers a folder of somebody else, and says where the pages show it."""
    from fluxgym.view.opening import open_path

    try:
        folder = open_path(target)
    except (ValueError, OSError) as error:  # outputs/ that cannot be written, say: what was asked for is printed already
        print(f"fluxgym: the pages cannot show it: {error}", file=sys.stderr)
    else:
        if folder.is_read_only:
            print(f"The pages show it too, only to read: /run?run={quote(folder.name)}")


def _folder(target: Path) -> RunFolder:
    """A run, or the folder of somebody else, which is only read."""
    from fluxgym.view.opening import look_at

    if not target.is_dir():
        raise ValueError(f"got the file {target}, expected a run or a folder")
    return look_at(target)


def _log_of(folder: RunFolder, monitor: bool) -> Path:
    """A run's log; the log of another tool's folder, whatever it is called. Raises OSError when there is none."""
    from fluxgym.view.show import find_log

    if moved := find_moved(folder):
        return moved.monitor if monitor else moved.log
    if monitor:
        if not folder.monitor_log.is_file():
            raise FileNotFoundError(f"{shown_path(folder.monitor_log)} is not there: FluxGym did not start this run")
        return folder.monitor_log
    return folder.training_log if folder.record.exists() else find_log(folder.path)


def _may_go_on(status: Status) -> bool:
    """Of a run that we did not start, the end is not known: it is followed until Ctrl-C."""
    return status.is_active or status.state is None


def _target(text: str) -> Path:
    """A run's name, or the path of any folder or file."""
    named = find_run(text).path if has_run(text) else None
    if named is None and "/" in text and not _is_there(Path(text)):
        raise ValueError(f"got the path {text!r}, expected one that is there, or a run's name")
    if named is None and not (text and _is_there(Path(text))):
        return find_run(text).path  # raises, with the names that are near
    return named or Path(text).absolute()


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _look(folder: RunFolder, line: list[Ticket]) -> tuple[Status, History]:
    """Status and log of a run. One that cannot be read says so in its own row, and takes no other's away."""
    try:
        status = look_after(folder, line)
    except OSError as error:
        return Status(None, f"It cannot be read: {error}."), History(Path(os.devnull))
    history = get_history(log_of(folder))
    try:
        history.update()
    except OSError as error:
        return dataclasses.replace(status, message=f"Its log cannot be read: {error}."), history
    return status, history


def _row(folder: RunFolder, status: Status, history: History) -> dict[str, Any]:
    """One run for `list --json`."""
    from fluxgym.view.show import tell_job
    from fluxgym.view.summary import proven_state

    return {
        "name": folder.name,
        "state": status.state or proven_state(history),
        "message": status.message,
        "attempt": status.attempt or None,
        "pid": status.pid,
        "phase": history.phase if status.is_active else None,
        "step": history.step,
        "total_steps": history.total_steps,
        "epoch": history.epoch,
        "total_epochs": history.total_epochs,
        "loss": history.loss,
        "eta_seconds": history.eta_seconds if status.is_active else None,
        "last_line_age_seconds": history.last_line_age_seconds,
        "health": dataclasses.asdict(status.health) if status.health else None,
        "queue": dataclasses.asdict(status.queue) if status.queue else None,
        "places": status.places,
        "resumes_at": status.resumes_at,
        "resumable_from": status.resumable.path.name if status.resumable else None,
        "folder": str(folder.path),
        "host": status.host or None,
        "job": tell_job(status),
    }


def _cells(folder: RunFolder, status: Status, history: History) -> list[str]:
    """One run for `list`."""
    from fluxgym.view import words
    from fluxgym.view.summary import smoothed_loss, summarise

    summary = summarise(folder, status, history)
    loss = f"loss {words.loss4(smoothed_loss(history))}"
    return [shown(folder.name), summary.label, summary.progress_text, loss, summary.age_text, summary.sentence]


def _row_of(ended: "Row") -> dict[str, Any]:
    """The same of a run that ended, from what the index has of it."""
    facts = ended.facts
    return {
        "name": ended.name,
        "state": ended.state,
        "message": facts["message"],
        "attempt": facts["attempt"] or None,
        "pid": None,
        "phase": None,
        **{name: facts[name] for name in ("step", "total_steps", "epoch", "total_epochs", "loss")},
        "eta_seconds": None,
        "last_line_age_seconds": None if ended.line is None else max(0.0, time.time() - ended.line),
        "health": None,
        "queue": None,
        "places": facts["places"],
        "resumes_at": None,
        "resumable_from": facts["resumable_from"],
        "folder": str(outputs_root() / ended.name),
        "host": None,
        "job": None,
    }


def _cells_of(ended: "Row") -> list[str]:
    from fluxgym.view import words

    loss = f"loss {words.loss4(ended.loss)}"
    return [shown(ended.name), ended.label, ended.progress, loss, ended.tell_age(time.time()), ended.sentence]


def _readable(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        before = [f"{len(value) - LISTED:,} before these"] if len(value) > LISTED + 1 else []
        return (
            "\n".join(["", *(f"    {item}" for item in [*before, *(value[-LISTED:] if before else value)])])
            if value
            else "none"
        )
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items() if item is not None)
    return str(value)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of lines, 0 or more")
    return int(text)
