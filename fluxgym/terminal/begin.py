"""The verbs that begin a run: demo, start, run."""

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fluxgym.run.create import create_folder, create_run
from fluxgym.run.folders import PROJECT, free_name
from fluxgym.run.launch import check_place, start_run
from fluxgym.run.processes import count_planned
from fluxgym.terminal.check import ANYWAY, look_before
from fluxgym.terminal.output import DONE, sentence, wait
from fluxgym.terminal.verbs import FOLLOW, Verbs, add_care, read_care_options

if TYPE_CHECKING:
    from trainer.config import Config


def add_verbs(verbs: Verbs) -> None:
    for sub in (
        verbs.add(demo, "train the demo: a small FLUX learns a robot", FOLLOW),
        verbs.add(start, "start a training", FOLLOW),
        verbs.add(run, "start any training command under the same care: run --name NAME -- COMMAND ...", FOLLOW),
    ):
        verb = sub.get_default("verb")
        sub.add_argument("--name", required=verb is run, help="name of the run and its folder")
        sub.add_argument("--again", action="store_true", help="replace an ended run of this name: it moves into its logs/")
        if verb is not run:
            sub.add_argument("--anyway", action="store_true", help=ANYWAY)
        add_care(sub)
        if verb is start:
            sub.add_argument("config", metavar="CONFIG", help="settings, a .toml file")
        if verb is run:
            sub.add_argument("command", metavar="-- COMMAND ...", nargs="*", help="started here, as you would type it")


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


def run(options: argparse.Namespace) -> int:
    command, care = options.command, read_care_options(options)
    if not command:
        raise ValueError("got no command, expected one behind --, such as: -- accelerate launch flux_train_network.py ...")
    if shutil.which(command[0]) is None:
        raise ValueError(f"got the command {command[0]!r}, expected a program that can be found and run from here")
    check_place(care)
    folder = create_folder(options.name, replace_old=options.again)
    print(sentence(folder, start_run(folder, command, care=care, cwd=Path.cwd(), any_command=True)))
    return wait(folder) if options.wait else DONE


def _begin(config: "Config", options: argparse.Namespace) -> int:
    """Looks at all that `check` looks at before anything is written, then creates and starts the run."""
    from fluxgym.preflight.share import look_at_share

    os.chdir(PROJECT)  # paths in settings are taken from where the trainer is started
    care = read_care_options(options)
    for finding in look_at_share(config, count_planned(care.place, config.model_dump())):
        raise ValueError(finding.sentence)
    check_place(care)
    look_before(config, care.place, options.anyway)
    folder = create_run(config, replace_old=options.again)
    print(sentence(folder, start_run(folder, care=care)))
    return wait(folder) if options.wait else DONE


def _checked(name: str) -> str:
    from trainer.folder import check_name

    return check_name(name)
