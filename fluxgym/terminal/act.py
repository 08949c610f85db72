"""The verbs that ask something of a run that is there: stop, resume, save, sample, queue."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from fluxgym.log.history import get_history
from fluxgym.run.asking import ask_sample, ask_save, move_run
from fluxgym.run.care import SLURM, read_care, write_care
from fluxgym.run.folders import find_run, outputs_root
from fluxgym.run.index import get_index
from fluxgym.run.launch import (
    check_place,
    look_after_queued,
    refuse_active,
    resume_now,
    resume_run,
    stop_run,
    wait_for_end,
)
from fluxgym.run.queue import FIRST, find_turn, read_line
from fluxgym.run.resuming import find_left, find_states
from fluxgym.run.status import read_status
from fluxgym.terminal.output import DONE, FAILED, PATIENT, print_table, sentence, shown, wait
from fluxgym.terminal.verbs import AS_DATA, FOLLOW, RUN, Verbs, add_care, read_care_options
from trainer.folder import RunFolder, State

ASKED = {  # settings of [slurm] that the next job of a run can ask for anew, as its dialog of a resume has them
    "partition": "partition of the cluster",
    "time_limit": "how long the job may take: 2:00:00, 1-12:00:00, or minutes",
    "gpus": "GPUs on each node",
    "nodes": "nodes that train together",
    "cpus": "CPU cores on each node",
    "memory": "main memory on each node, such as 64G",
    "account": "account that pays",
    "qos": "quality of service",
}
NUMBERS = ("gpus", "nodes", "cpus")
MOVES: dict[str, int | str] = {"first": FIRST, "up": -1, "down": 1}


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(stop, "save the state and end; take out of the queue", "wait for the end")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="NAME", nargs="?", help=RUN)
    which.add_argument("--sweep", metavar="NAME", help="every run of this sweep that is under way or waits")
    sub = verbs.add(resume, "go on from a saved state", FOLLOW)
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="NAME", nargs="?", help=RUN)
    which.add_argument("--sweep", metavar="NAME", help="every run of this sweep that ended before its end, each as it was")
    sub.add_argument("--list", action="store_true", help="only list the states, and what is left to do from each")
    sub.add_argument("--from", dest="state", metavar="STATE", help="name of the state's folder; the furthest one without")
    sub.add_argument("--epochs", type=int, metavar="N", help="train for so many epochs in all")
    sub.add_argument("--learning-rate", type=float, metavar="X", help="go on with another learning rate")
    group = sub.add_argument_group("its job on Slurm", "ask for something else than before; empty text is the default again")
    for key, text in ASKED.items():
        kind = int if key in NUMBERS else str
        group.add_argument(f"--{key.replace('_', '-')}", type=kind, metavar="N" if kind is int else "X", help=text)
    add_care(sub)
    verbs.add(save, "ask for a checkpoint at the next step").add_argument("name", metavar="NAME", help=RUN)
    verbs.add(sample, "ask for samples at the next step").add_argument("name", metavar="NAME", help=RUN)
    sub = verbs.add(queue, "the runs that wait for a GPU, in order")
    sub.add_argument("--json", action="store_true", help=AS_DATA)
    moves = sub.add_mutually_exclusive_group()
    for name, text in (("first", "let this run be the next"), ("up", "move it forward"), ("down", "move it back")):
        moves.add_argument(f"--{name}", metavar="NAME", help=text)


def stop(options: argparse.Namespace) -> int:
    if options.sweep is not None:
        return _stop_sweep(options.sweep, options.wait)
    folder = find_run(options.name)
    status = stop_run(folder, PATIENT if options.wait else None)
    print(sentence(folder, status))
    return DONE if status.is_active or status.state in ("stopped", "completed") else FAILED


def _resume_sweep(name: str) -> int:
    from fluxgym.sweep.begin import resume_sweep

    _check_sweep(name)
    resumed = resume_sweep(name)
    for folder in resumed:
        print(sentence(folder, read_status(folder)))
    if not resumed:
        print(f"{name}: no run of it ended before its end.")
    return DONE


def _check_sweep(name: str) -> None:
    from fluxgym.sweep.mark import find_members

    if not find_members(name):
        raise ValueError(f"got the sweep {name!r}, expected one of which a run is there")


def _stop_sweep(name: str, may_wait: bool) -> int:
    from fluxgym.sweep.begin import stop_sweep

    _check_sweep(name)
    stopped = stop_sweep(name)
    ended = [(folder, wait_for_end(folder, PATIENT) if may_wait else read_status(folder)) for folder in stopped]
    for folder, status in ended:
        print(sentence(folder, status))
    if not ended:
        print(f"{name}: no run of it is under way.")
    return DONE if all(status.is_active or status.state in ("stopped", "completed") for _, status in ended) else FAILED


def resume(options: argparse.Namespace) -> int:
    changes = _read_changes(options)
    if options.sweep is not None:
        if changes or options.state:
            raise ValueError(
                "got a state or settings with --sweep, expected them with one run: those of a sweep go on as they were"
            )
        return _resume_sweep(options.sweep)
    folder = find_run(options.name)
    if options.list:
        return _list_states(folder)
    state = _state(folder, options.state) if options.state else None
    before = read_care(folder)
    care = read_care_options(options, before)
    _check_job(folder, care.place, changes)
    if care != before:
        check_place(care)
        refuse_active(folder)
        write_care(folder, care)
    is_plain = state is None and not changes and care == before
    is_hastened = is_plain and read_status(folder).is_pausing
    status = resume_now(folder) if is_hastened else resume_run(folder, state, changes)
    print(sentence(folder, status))
    return wait(folder) if options.wait else DONE


def _read_changes(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, by dotted name."""
    wanted = {"train.epochs": options.epochs, "train.learning_rate": options.learning_rate}
    wanted |= {f"slurm.{key}": getattr(options, key) for key in ASKED}
    return {name: value for name, value in wanted.items() if value is not None}


def _check_job(folder: RunFolder, place: str, changes: dict[str, Any]) -> None:
    """Raises ValueError where the cluster would not take the next job, or there is to be none for what one is asked for."""
    asked = [name.partition(".")[2].replace("_", "-") for name in changes if name.startswith("slurm.")]
    if asked and place != SLURM:
        raise ValueError(f"got --{asked[0]}, which a job is asked for, expected it with --place slurm: the place is {place!r}")
    if place == SLURM and folder.config.is_file():
        from fluxgym.preflight.cluster import find_refusal

        if refusal := find_refusal(folder, changes):
            raise ValueError(refusal)


def save(options: argparse.Namespace) -> int:
    ask_save(find_run(options.name))
    print(f"{options.name}: asked for a checkpoint, which comes after the step under way.")
    return DONE


def sample(options: argparse.Namespace) -> int:
    ask_sample(find_run(options.name))
    print(f"{options.name}: asked for samples, which come after the step under way.")
    return DONE


def queue(options: argparse.Namespace) -> int:
    for move, by in MOVES.items():
        if name := getattr(options, move):
            move_run(find_run(name), by)
    look_after_queued()
    tickets = read_line()
    line = [(ticket, find_turn(ticket.run, tickets)) for ticket in tickets]
    if options.json:
        print(json.dumps([{"name": ticket.run.name} | asdict(turn) for ticket, turn in line if turn], indent=1))
    elif not line:
        under_way = [known.folder for known in get_index(outputs_root()).look().open]  # there may be thousands that ended
        jobs = [shown(folder.name) for folder in under_way if _waits_on_slurm(folder)]
        print(f"No run waits for a GPU of this machine; on Slurm: {', '.join(jobs)}" if jobs else "No run waits.")
    else:
        rows = [(ticket, turn) for ticket, turn in line if turn]
        print_table(
            [
                [
                    str(number),
                    shown(ticket.run.name),
                    turn.wish,
                    _why(turn.before or turn.holder, turn.blocked_by, ticket.is_paused),
                ]
                for number, (ticket, turn) in enumerate(rows, 1)
            ]
        )
    return DONE


def _waits_on_slurm(folder: RunFolder) -> bool:
    status = read_status(folder)
    return status.state == "queued" and status.job is not None


def _why(before: str, blocked_by: str, is_paused: bool) -> str:
    if is_paused:
        return "pauses before it goes on by itself"
    return blocked_by or (f"behind {shown(before)}" if before else "")


def _list_states(folder: RunFolder) -> int:
    from fluxgym.view import words

    history = get_history(folder.training_log)
    history.update()
    rows = []
    for state in find_states(folder):
        of = f" of {history.total_epochs:,}" if history.total_epochs else ""
        where = f"epoch {state.epoch:,}{of}" if state.position == 0 else f"step {state.step:,}"
        left = find_left(state, history)
        needed = f", about {words.duration(left.seconds)}" if left and left.seconds else ""
        told = f"{where}, {words.plural(left.steps, 'step')} left{needed}" if left else where
        rows.append([state.path.name, f"damaged: {state.problem}" if state.problem else told])
    if rows:
        print_table(rows)
    else:
        print(f"{folder.name}: no state was saved.")
    return DONE


def _state(folder: RunFolder, name: str) -> State:
    states = {state.path.name: state for state in find_states(folder)}
    if name not in states:
        raise ValueError(f"got the state {name!r}, expected one of: {', '.join(states) or 'there is none'}")
    return states[name]
