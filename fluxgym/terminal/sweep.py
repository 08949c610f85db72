"""The verb that begins a run for each combination of some values: sweep. And the table of its runs, for compare."""

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fluxgym.run.folders import PROJECT, outputs_root
from fluxgym.run.status import read_status
from fluxgym.terminal.check import ANYWAY, list_lines, tell_before
from fluxgym.terminal.output import DONE, print_table
from fluxgym.terminal.verbs import AS_DATA, Verbs, add_care, read_care_options
from trainer.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxgym.log.history import History
    from fluxgym.sweep.axis import Axis
    from fluxgym.sweep.grid import Trial
    from fluxgym.view.summary import Summary
    from fluxgym.view.sweep_table import Row

EXAMPLE = "lr=1e-4,4e-4: a setting by its short or its whole name, and the values to try; again for each further setting"


def add_verbs(verbs: Verbs) -> None:
    text = "start a training for each combination of some values; once more, it goes on with those that are missing"
    sub = verbs.add(sweep, text)
    sub.add_argument("config", metavar="CONFIG", help="settings, a .toml file; what is not tried stays as it is there")
    sub.add_argument("--set", dest="tried", action="append", required=True, metavar="NAME=VALUES", help=EXAMPLE)
    sub.add_argument("--name", help="name of the sweep, with which the name of each run begins")
    sub.add_argument("--dry-run", action="store_true", help="only list the runs, with their steps")
    sub.add_argument("--anyway", action="store_true", help=ANYWAY)
    sub.add_argument("--json", action="store_true", help=AS_DATA)
    add_care(sub)


def sweep(options: argparse.Namespace) -> int:
    """Everything is checked before the first run is begun."""
    from fluxgym.preflight.report import ERROR, WARNING
    from fluxgym.sweep.axis import read_axes
    from fluxgym.sweep.begin import begin_sweep, check_care, find_missing, find_odd
    from fluxgym.sweep.grid import plan_sweep
    from fluxgym.sweep.look import look_at_sweep
    from fluxgym.sweep.reader import Reader
    from trainer.config import load_config

    axes = read_axes(options.tried)
    config, care = load_config(Path(options.config)), read_care_options(options)
    if options.name is not None:
        config = config.model_copy(update={"name": options.name})
    os.chdir(PROJECT)  # paths in settings are taken from where the trainer is started
    reader = Reader()
    trials = plan_sweep(config, axes, reader.plan)
    to_begin = find_missing(config.name, trials)
    missing = {trial.name for trial in to_begin}
    if not options.json:
        _print_plan(axes, trials, missing)
        for told in find_odd(trials):
            print(f"! {told}")
    check_care(to_begin, care)
    found = look_at_sweep(to_begin, reader.find_sizes, care.place)
    errors, warnings = (list_lines([each for each in found if each.level == level]) for level in (ERROR, WARNING))
    tell_before(errors, warnings, options.anyway)
    if options.dry_run:
        if options.json:
            print(json.dumps([_row(trial, trial.name in missing) for trial in trials], indent=1))
        return DONE
    rows, count = [], 0
    try:
        for trial, begun in zip(trials, begin_sweep(config.name, trials, care), strict=True):
            count += begun.is_new
            rows.append(_row(trial, begun.is_new) | {"state": begun.status.state})
    except BaseException:  # Ctrl-C too
        if count:
            print(f"fluxgym: {count} of {len(missing)} begun; the same command goes on with the others", file=sys.stderr)
        raise
    if options.json:
        print(json.dumps(rows, indent=1))
        return DONE
    print(f"{count} begun. The pages compare them: /compare?sweep={quote(config.name)}")
    return DONE


def _print_plan(axes: "list[Axis]", trials: "list[Trial]", missing: set[str]) -> None:
    """A row for each run, and what they come to."""
    from fluxgym.sweep.axis import find_short
    from fluxgym.view import words

    head = ["", *(find_short(axis.key) for axis in axes), "steps", ""]
    rows = [
        [
            trial.name,
            *(axis.setting.show(trial.chosen[axis.key]) for axis in axes),
            f"{trial.plan.total_steps:,}" if trial.plan else "-",
            "" if trial.name in missing else f"there already: {_find_state(trial)}",
        ]
        for trial in trials
    ]
    print_table([head, *rows])
    steps = sum(trial.plan.total_steps for trial in trials if trial.plan and trial.name in missing)
    print(f"{words.plural(len(missing), 'run')} to begin, {words.plural(steps, 'step')} in all.")
    if any(row[-1].endswith((": stopped", ": failed", ": lost")) for row in rows):
        print("resume --sweep goes on with those that ended before their end.")


def _find_state(trial: "Trial") -> str:
    return read_status(RunFolder(outputs_root() / trial.name)).state or "-"


def _row(trial: "Trial", is_new: bool) -> dict[str, Any]:
    steps = trial.plan.total_steps if trial.plan else None
    return {"name": trial.name, "set": trial.chosen, "total_steps": steps, "is_new": is_new}


def print_table_of(sweep: str, runs: "Sequence[tuple[RunFolder, History, Summary]]", as_json: bool) -> int:
    """All runs of a sweep with what was varied, the best marked."""
    from fluxgym.view import sweep_table
    from fluxgym.view.summary import EPOCH_MEAN

    table = sweep_table.make_table(runs)
    if as_json:
        best = None if table.best is None else table.rows[table.best].folder.name
        note = sweep_table.tell_best(table) if best is None else table.odd
        told = {"sweep": sweep, "best": best, "runs": list(map(_row_of, table.rows)), "note": note or None}
        print(json.dumps(told, indent=1))
        return DONE
    head = ["", *table.names, "State", "Progress", "Lowest validation", EPOCH_MEAN, ""]
    rows = [
        [row.folder.name, *row.chosen, row.state, row.progress, *row.numbers, "best" if place == table.best else ""]
        for place, row in enumerate(table.rows)
    ]
    print_table([head, *rows])
    print(f"{sweep_table.tell_sweep([row.summary.state for row in table.rows])} {sweep_table.tell_best(table)}".rstrip())
    for row in table.rows:
        if row.why:
            print(f"{row.folder.name}: {row.why}")
    return DONE


def _row_of(row: "Row") -> dict[str, Any]:
    from fluxgym.sweep.mark import read_mark

    mark = read_mark(row.folder)
    loss = row.loss if row.loss is None or math.isfinite(row.loss) else None  # JSON has no NaN
    numbers = {"lowest_validation": row.validation, "smoothed_loss": loss}
    return {"name": row.folder.name, "set": mark.chosen if mark else {}, "state": row.summary.state} | numbers
