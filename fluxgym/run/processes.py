"""The command that starts all processes of a training: one for each GPU that it has, on each node of its job.

Of our trainer only: what a person typed stays as it is typed. How they are started, stopped and ended is trainer.launch's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.run.care import SLURM
from fluxgym.run.family import JOB
from fluxgym.run.record import TRAINER


@dataclass(frozen=True)
class Layout:
    """Where the processes of one training are."""

    processes: int = 1  # on each node
    nodes: int = 1

    @property
    def total(self) -> int:
        return self.processes * self.nodes


def find_layout(places: Sequence[str], variables: Mapping[str, str]) -> Layout:
    """`places`: names of those that the training has its turn on; `variables`: the environment, which tells what a job has."""
    if JOB not in variables:
        return Layout(max(1, sum(place.startswith("GPU ") for place in places)))
    return Layout(_number(variables, "SLURM_GPUS_ON_NODE"), _number(variables, "SLURM_JOB_NUM_NODES"))


def count_named(place: str) -> int:
    """How many processes a place has that is chosen before the start, as Care.place has it: one for each GPU that it names."""
    return len({int(number) for number in place.split(",") if number.strip().isdecimal()}) or 1


def count_planned(place: str, settings: Mapping[str, Any]) -> int:
    """The same, of a run with these settings, which say what its job asks for."""
    if place != SLURM:
        return count_named(place)
    from fluxgym.run.slurm_script import read_wish  # seldom needed by a supervisor

    wish = read_wish(settings)
    return wish.nodes * max(wish.gpus, 1)


def _number(variables: Mapping[str, str], name: str) -> int:
    said = variables.get(name, "")
    return max(1, int(said)) if said.isdecimal() else 1


def start_all(command: Sequence[str], layout: Layout) -> list[str]:
    """`command` trains, as one process. It stays what it is where there is to be one."""
    end = 1 + len(TRAINER)
    if layout.total == 1 or list(command[1:end]) != TRAINER:
        return list(command)
    nodes = ["--nodes", str(layout.nodes)] if layout.nodes > 1 else []
    return [*command[:end], "launch", "--processes", str(layout.processes), *nodes, *command[end:]]
