"""The verbs that ask something of a run that is there: stop, resume, save, sample, queue."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from fluxgym.log.history import get_history
from fluxgym.run.care import read_care, write_care
from fluxgym.run.folders import find_run
from fluxgym.run.launch import (
    ask_sample,
    ask_save,
    check_place,
    look_after_queued,
    move_run,
    refuse_active,
    resume_now,
    resume_run,
    stop_run,
)
from fluxgym.run.queue import FIRST, find_turn, read_line
from fluxgym.run.resuming import find_left, find_states
from fluxgym.run.status import read_status
from fluxgym.terminal.output import DONE, FAILED, PATIENT, print_table, sentence, shown, wait
from fluxgym.terminal.verbs import FOLLOW, Verbs, add_care, read_care_options
from trainer.folder import RunFolder, State

MOVES: dict[str, int | str] = {"first": FIRST, "up": -1, "down": 1}


def add_verbs(verbs: Verbs) -> None:
    verbs.add(stop, "save the state and end; take out of the queue", "wait for the end").add_argument("name", metavar="NAME")
    sub = verbs.add(resume, "go on from a saved state", FOLLOW)
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--list", action="store_true", help="only list the states, and what is left to do from each")
    sub.add_argument("--from", dest="state", metavar="STATE", help="name of the state's folder; the furthest one without")
    sub.add_argument("--epochs", type=int, metavar="N", help="train for so many epochs in all")
    sub.add_argument("--learning-rate", type=float, metavar="X", help="go on with another learning rate")
    add_care(sub)
    verbs.add(save, "ask for a checkpoint at the next step").add_argument("name", metavar="NAME")
    verbs.add(sample, "ask for samples at the next step").add_argument("name", metavar="NAME")
    sub = verbs.add(queue, "the runs that wait for a GPU, in order")
    sub.add_argument("--json", action="store_true")
    moves = sub.add_mutually_exclusive_group()
    for name, text in (("first", "let this run be the next"), ("up", "move it forward"), ("down", "move it back")):
        moves.add_argument(f"--{name}", metavar="NAME", help=text)


def stop(options: argparse.Namespace) -> int:
    folder = find_run(options.name)
    status = stop_run(folder, PATIENT if options.wait else None)
    print(sentence(folder, status))
    return DONE if status.is_active or status.state in ("stopped", "completed") else FAILED


def resume(options: argparse.Namespace) -> int:
    folder = find_run(options.name)
    if options.list:
        return _list_states(folder)
    state = _state(folder, options.state) if options.state else None
    before = read_care(folder)
    care = read_care_options(options, before)
    if care != before:
        check_place(care)
        refuse_active(folder)
        write_care(folder, care)
    wanted: dict[str, Any] = {"train.epochs": options.epochs, "train.learning_rate": options.learning_rate}
    changes = {name: value for name, value in wanted.items() if value is not None}
    is_plain = state is None and not changes and care == before
    is_hastened = is_plain and read_status(folder).is_pausing
    status = resume_now(folder) if is_hastened else resume_run(folder, state, changes)
    print(sentence(folder, status))
    return wait(folder) if options.wait else DONE


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
        print("No run waits.")
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
