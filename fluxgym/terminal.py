"""The verbs of `python -m fluxgym`: what a person can ask of runs in a terminal. The dashboard asks the same functions.

Exit codes: 0 done, 1 the run failed, 2 wrong use. Errors are one clear line on stderr. Heavy imports are inside the verbs, so
that `list` answers at once.
"""

import argparse
import dataclasses
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxgym.log.follow import Follower
from fluxgym.log.history import History, get_history
from fluxgym.log.tail import tail
from fluxgym.run.folders import PROJECT, find_run, free_name, list_runs, log_of, outputs_root, shown_path
from fluxgym.run.launch import create_run, look_after, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.status import Status
from trainer.folder import RunFolder, State

if TYPE_CHECKING:
    from trainer.config import Config

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
LOOK_EVERY = 0.2  # s, while following
PATIENT = 10 * 365 * 86400.0  # s; a wait without an end


def main(arguments: list[str]) -> int:
    """Does what the command line says; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):  # a bar has characters that not every locale can print
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return int(options.verb(options))
    except BrokenPipeError:  # `| head` has seen enough; what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"fluxgym: {error}", file=sys.stderr)
        return WRONG_USE


# ---- the verbs -------------------------------------------------------------------------------------------------------
def demo(options: argparse.Namespace) -> int:
    from trainer.config import load_config
    from trainer.mini import DEMO

    name = free_name("demo") if options.name is None else options.name
    return _begin(load_config(DEMO).model_copy(update={"name": _checked(name)}), options)


def start(options: argparse.Namespace) -> int:
    from trainer.config import load_config

    config = load_config(Path(options.config))
    if options.name is not None:
        config = config.model_copy(update={"name": _checked(options.name)})
    return _begin(config, options)


def list_(options: argparse.Namespace) -> int:
    found = [(folder, *_look(folder)) for folder in list_runs()]
    if options.json:
        print(json.dumps([_row(*each) for each in found], indent=1))
    elif not found:
        print(f"No run in {shown_path(outputs_root())} yet. Try: python -m fluxgym demo")
    else:
        _print_table([_cells(*each) for each in found])
    return DONE


def show(options: argparse.Namespace) -> int:
    target = _target(options.target)
    from fluxgym.view.show import show_fields

    if target.is_dir() and target.parent == outputs_root():
        look_after(RunFolder(target))
    fields = show_fields(target)
    if options.json:
        print(json.dumps(fields, indent=1))
        return DONE
    width = max(map(len, fields))
    for key, value in fields.items():
        print(f"{key:{width}}  {_readable(value)}".replace("  \n", "\n"))
    return DONE


def log(options: argparse.Namespace) -> int:
    target = _target(options.target)
    folder = RunFolder(target) if target.is_dir() else None
    path = _log_of(folder, options.monitor) if folder else target
    end = tail(path, options.lines, only_whole=options.follow)  # an unfinished line is not printed in two halves
    for line in end.lines:
        print(line)
    if options.follow:
        for line in _follow(Follower(path, end.size), lambda: folder is None or _may_go_on(look_after(folder))):
            print(line, flush=True)
    return DONE


def stop(options: argparse.Namespace) -> int:
    folder = find_run(options.name)
    status = stop_run(folder, PATIENT if options.wait else None)
    print(_sentence(folder, status))
    return DONE if status.is_active or status.state in ("stopped", "completed") else FAILED


def resume(options: argparse.Namespace) -> int:
    folder = find_run(options.name)
    status = resume_run(folder, _state(folder, options.state) if options.state else None)
    print(_sentence(folder, status))
    return _wait(folder) if options.wait else DONE


# ---- what they share -------------------------------------------------------------------------------------------------
def _begin(config: "Config", options: argparse.Namespace) -> int:
    """Checks base model and data set before anything is written, then creates and starts the run."""
    from fluxgym.run.base_model import find_base_problem
    from trainer.dataset import DatasetError, read_dataset
    from trainer.plan import make_plan

    os.chdir(PROJECT)  # paths in settings are taken from where the trainer is started
    if problem := find_base_problem(config.model.base):
        raise ValueError(f"model.base: {problem}")
    try:
        make_plan(config, len(read_dataset(config)))
    except DatasetError as error:
        raise ValueError(f"{error}\n  looked at: {Path(error.folder).absolute()}") from error
    folder = create_run(config, replace_old=options.again)
    print(_sentence(folder, start_run(folder)))
    return _wait(folder) if options.wait else DONE


def _wait(folder: RunFolder) -> int:
    """Prints the log until the run has ended. Ctrl-C ends the waiting, not the run."""
    try:
        for line in _follow(Follower(folder.training_log), lambda: look_after(folder).is_active):
            print(line, flush=True)
    except KeyboardInterrupt:
        print(f"The run goes on. Stop it with: python -m fluxgym stop {folder.name}")
        raise
    status = wait_for_end(folder, PATIENT)
    print(_sentence(folder, status), file=sys.stdout if status.state == "completed" else sys.stderr)
    return DONE if status.state == "completed" else FAILED


def _follow(follower: Follower, is_active: Callable[[], bool]) -> Iterator[str]:
    """Lines as they come, until the run has ended and all of them are read; the last one may have no end."""
    active = True
    while active:
        active = is_active()  # before reading, so that the last lines are read after the end
        chunk = follower.read()
        if chunk.restarted:
            print("fluxgym: the log was cut or replaced; it goes on with the new one", file=sys.stderr, flush=True)
        yield from chunk.lines
        if active:
            time.sleep(LOOK_EVERY)
    yield from follower.rest()


def _log_of(folder: RunFolder, monitor: bool) -> Path:
    """A run's log; the log of another tool's folder, whatever it is called. Raises OSError when there is none."""
    from fluxgym.view.show import find_log

    if monitor:
        if not folder.monitor_log.is_file():
            raise FileNotFoundError(f"{shown_path(folder.monitor_log)} is not there: FluxGym did not start this run")
        return folder.monitor_log
    return folder.training_log if folder.record.exists() else find_log(folder.path)


def _may_go_on(status: Status) -> bool:
    """Of a run that we did not start, the end is not known: it is followed until Ctrl-C."""
    return status.is_active or status.state is None


def _checked(name: str) -> str:
    from trainer.folder import check_name

    return check_name(name)


def _target(text: str) -> Path:
    """A run's name, or the path of any folder or file."""
    named = {folder.name: folder.path for folder in list_runs()}.get(text)
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


def _state(folder: RunFolder, name: str) -> State:
    states = {state.path.name: state for state in folder.states()}
    if name not in states:
        raise ValueError(f"got the state {name!r}, expected one of: {', '.join(states) or 'there is none'}")
    return states[name]


def _look(folder: RunFolder) -> tuple[Status, History]:
    """Status and log of a run. One that cannot be read says so in its own row, and takes no other's away."""
    try:
        status = look_after(folder)
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
        "resumable_from": status.resumable.path.name if status.resumable else None,
        "folder": str(folder.path),
    }


def _cells(folder: RunFolder, status: Status, history: History) -> list[str]:
    """One run for `list`."""
    from fluxgym.view import words
    from fluxgym.view.summary import smoothed_loss, summarise

    summary = summarise(folder, status, history)
    loss = f"loss {words.loss4(smoothed_loss(history))}"
    return [_shown(folder.name), summary.label, summary.progress_text, loss, summary.age_text, summary.sentence]


def _shown(name: str) -> str:
    """A folder of another tool may be called anything: nothing in its name may move the cursor or break the line."""
    return name if name.isprintable() else ascii(name)


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()[:room])


def _readable(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return "\n".join(["", *(f"    {item}" for item in value)]) if value else "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)


def _sentence(folder: RunFolder, status: Status) -> str:
    quoted = "".join(f"\n    {line}" for line in status.last_lines)
    back = f" Resume goes on from {status.resumable.path.name}." if status.resumable else ""
    back = " Nothing was saved; resume begins at the beginning." if status.can_restart else back
    where = f" {shown_path(folder.path)}" if status.is_active else ""
    return f"{folder.name}: {status.state}.{where} {status.message}".rstrip() + back + quoted


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of lines, 0 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fluxgym", description="Train FLUX LoRAs, each run a folder.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(function: Callable[[argparse.Namespace], int], text: str, wait: str = "") -> argparse.ArgumentParser:
        sub = verbs.add_parser(function.__name__.strip("_"), help=text, description=text)
        sub.set_defaults(verb=function)
        if wait:
            sub.add_argument("--wait", action="store_true", help=wait)
        return sub

    follow = "print the log until the run has ended; exit code 1 when it failed"
    for sub in (verb(demo, "train the demo: a small FLUX learns a robot", follow), verb(start, "start a training", follow)):
        sub.add_argument("--name", help="name of the run and its folder")
        sub.add_argument("--again", action="store_true", help="replace an ended run of this name: it moves into its logs/")
        if sub.get_default("verb") is start:
            sub.add_argument("config", metavar="CONFIG", help="settings, a .toml file")
    verb(list_, "all runs").add_argument("--json", action="store_true")
    sub = verb(show, "what is known of a run")
    sub.add_argument("target", metavar="TARGET", help="a run's name, any folder, or any log file")
    sub.add_argument("--json", action="store_true")
    sub = verb(log, "the training's log")
    sub.add_argument("target", metavar="NAME|PATH")
    sub.add_argument("-n", dest="lines", type=_count, default=100, help="how many of the last lines")
    sub.add_argument("-f", dest="follow", action="store_true", help="go on until the run has ended")
    sub.add_argument("--monitor", action="store_true", help="the supervisor's log instead")
    verb(stop, "save the state and end", "wait for the end").add_argument("name", metavar="NAME")
    sub = verb(resume, "go on from a saved state", follow)
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--from", dest="state", metavar="STATE", help="name of the state's folder; the furthest one without")
    return parser
