"""The verb that looks at a training before it is started: check."""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from fluxgym.run.folders import PROJECT
from fluxgym.terminal.output import DONE, FAILED
from fluxgym.terminal.verbs import Verbs

PATIENCE = 120.0  # s for an estimate of memory, which takes 10 on an idle machine
MARKS = {"error": "x", "warning": "!", "fine": "+"}


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(check, "look at everything that a training needs, and start nothing; exit code 1 where it could not begin")
    sub.add_argument("config", metavar="CONFIG", help="settings, a .toml file")
    sub.add_argument("--buckets", action="store_true", help="also how each image is cropped")
    sub.add_argument("--json", action="store_true", help="all of it as data")


def check(options: argparse.Namespace) -> int:
    from fluxgym.preflight.checks import preflight
    from trainer.config import load_config

    config = load_config(Path(options.config))
    os.chdir(PROJECT)  # paths in settings are taken from where the trainer is started
    report = preflight(config, patience=PATIENCE)
    if options.json:
        print(json.dumps({"errors": len(report.errors), "warnings": len(report.warnings), **dataclasses.asdict(report)}))
        return FAILED if report.errors else DONE
    for finding in report.findings:
        print(f"{MARKS[finding.level]} {finding.subject}: {finding.what}")
        if finding.fix:
            print(f"    {finding.fix}")
    if options.buckets:
        for row in report.buckets:
            learned = ", ".join(f"{width}x{height}" for width, height in row.sizes)
            note = ", too small" if row.is_small else ""
            print(f"  {row.name}: {row.size[0]}x{row.size[1]} px -> {learned}, {row.cropped:.0%} cut off{note}")
    if report.errors:
        print("It would not begin.", file=sys.stderr)
    return FAILED if report.errors else DONE
