"""How a verb is added to the command line, and the choices of care that several of them take."""

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fluxgym.run.care import MOST_RESUMES, WHEN_STALLED, Care

PLACE = "GPUs to wait for: the first free one (auto), these, or as a job on Slurm that asks for what [slurm] says"
RUN = "name of a run"
AS_DATA = "as data: JSON on stdout"
FOLLOW = "print the log until the run has ended; exit code 1 when it failed"


@dataclass(frozen=True)
class Verbs:
    """The verbs of the parser; the name of each is that of its function, which takes the options and returns the exit code."""

    parsers: "argparse._SubParsersAction[argparse.ArgumentParser]"

    def add(self, function: Callable[[argparse.Namespace], int], text: str, wait: str = "") -> argparse.ArgumentParser:
        sub = self.parsers.add_parser(function.__name__.strip("_"), help=text, description=text)
        sub.set_defaults(verb=function)
        if wait:
            sub.add_argument("--wait", action="store_true", help=wait)
        return sub


def add_care(sub: argparse.ArgumentParser) -> None:
    """The choices for a run that are kept in its care.json; what is not given stays as it is, or is the default."""
    group = sub.add_argument_group("care", "what is done for the run without being asked")
    group.add_argument("--place", metavar="auto|none|0|0,1|slurm", help=PLACE)
    group.add_argument("--when-stalled", choices=WHEN_STALLED, help="only tell (default), stop, or stop and resume")
    group.add_argument("--resume-after-crash", action="store_true", default=None, help="go on by itself after a crash")
    group.add_argument("--most-resumes", type=int, metavar="N", help=f"how often it may do that, up to {MOST_RESUMES}")
    group.add_argument("--step-down", action="store_true", default=None, help="out of memory: go on with smaller settings")
    group.add_argument("--no-monitor", dest="monitor", action="store_false", default=None, help="never judge it stuck")


def read_care_options(options: argparse.Namespace, before: Care | None = None) -> Care:
    """`before`, with what was given on the command line. Raises ValueError, which names the choices."""
    given: dict[str, Any] = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Care)}
    return dataclasses.replace(before or Care(), **{name: value for name, value in given.items() if value is not None})
