"""The verb that looks at a training before it is started: check. And the same look of the verbs that start one."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fluxgym.run.care import FIRST_FREE, Care
from fluxgym.run.folders import PROJECT
from fluxgym.terminal.output import DONE, FAILED
from fluxgym.terminal.verbs import Verbs

if TYPE_CHECKING:
    from fluxgym.preflight.report import Finding
    from trainer.config import Config

PATIENCE = 120.0  # s for an estimate of memory, which takes 10 on an idle machine
MARKS = {"error": "x", "warning": "!", "fine": "+"}
ANYWAY = "start it though the look before found what would stop it"


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(check, "look at everything that a training needs, and start nothing; exit code 1 where it could not begin")
    sub.add_argument("config", metavar="CONFIG", help="settings, a .toml file")
    sub.add_argument("--place", default=FIRST_FREE, metavar="slurm", help="look at what a job on Slurm needs instead")
    sub.add_argument("--buckets", action="store_true", help="also how each image is cropped")
    sub.add_argument("--json", action="store_true", help="all of it as data")


def check(options: argparse.Namespace) -> int:
    from fluxgym.preflight.checks import preflight
    from trainer.config import load_config

    config = load_config(Path(options.config))
    os.chdir(PROJECT)  # paths in settings are taken from where the trainer is started
    report = preflight(config, patience=PATIENCE, place=Care(place=options.place).place)
    if options.json:
        print(json.dumps({"errors": len(report.errors), "warnings": len(report.warnings), **dataclasses.asdict(report)}))
        return FAILED if report.errors else DONE
    for line in list_lines(report.findings):
        print(line)
    if options.buckets:
        for row in report.buckets:
            learned = ", ".join(f"{width}x{height}" for width, height in row.sizes)
            note = ", too small" if row.is_small else ""
            print(f"  {row.name}: {row.size[0]}x{row.size[1]} px -> {learned}, {row.cropped:.0%} cut off{note}")
    if report.errors:
        print("It would not begin.", file=sys.stderr)
    return FAILED if report.errors else DONE


def list_lines(findings: "Iterable[Finding]") -> list[str]:
    """What was found, as a terminal shows it."""
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.level]} {finding.subject}: {finding.what}")
        lines += [f"    {finding.fix}"] if finding.fix else []
    return lines


def look_before(config: "Config", place: str, anyway: bool) -> None:
    """Looks as `check` does, and raises ValueError with what would stop it, unless it is to begin `anyway`. What is only to be
    known is told. How much memory it needs counts where that is known: counting takes longer than a start."""
    from fluxgym.dataset.images import expand
    from fluxgym.preflight.checks import preflight

    report = preflight(config, is_new=False, place=place)
    errors = list_lines(report.errors)
    if any(finding.subject == "images" for finding in report.errors):
        errors.append(f"    looked at: {PROJECT / expand(config.data.folder)}")
    tell_before(errors, list_lines(report.warnings), anyway)


def tell_before(errors: list[str], warnings: list[str], anyway: bool) -> None:
    """Raises ValueError with the errors, unless it is to begin `anyway`; tells all of it otherwise."""
    if errors and not anyway:
        raise ValueError("\n".join(["it would not begin, and nothing was written; --anyway starts it all the same", *errors]))
    for line in (*errors, *warnings):
        print(line, file=sys.stderr)
