"""The runs of a sweep: every combination of the values, each with its settings, its name and its steps.

All of it is checked before anything is written: `plan_sweep` gives runs that can be begun, or raises with all that is wrong."""

import itertools
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.dataset.images import expand
from fluxgym.form.catalogue import Setting
from fluxgym.form.form import PATHS, flatten, nest
from fluxgym.sweep.axis import Axis, SweepError, find_short
from trainer.config import Config, ConfigError, parse_config
from trainer.folder import NAME, check_name
from trainer.plan import Plan

MOST = 64  # runs; each that waits on this machine is a small process
LONGEST_NAME, LONGEST_SWEEP = 64, 40  # characters
SIMPLE = re.compile(r"[A-Za-z0-9._]{1,24}")  # a value that is part of a name as it is
TOLD = 5  # problems that are told one by one


@dataclass(frozen=True)
class Trial:
    """One run of a sweep before it is begun. `chosen`: what is varied, by its place in config.toml."""

    config: Config
    chosen: dict[str, Any]
    plan: Plan | None = None

    @property
    def name(self) -> str:
        return self.config.name


def count_runs(axes: Sequence[Axis]) -> int:
    """How many combinations there are; 0 where nothing is varied."""
    count = 1 if axes else 0
    for axis in axes:
        count *= len(axis.values)
    return count


def plan_sweep(base: Config, axes: Sequence[Axis], make_plan: Callable[[Config], Plan | None]) -> list[Trial]:
    """The runs, the last setting varied first. `make_plan` gives the steps of one, and raises ValueError where it cannot train.

    Raises SweepError with all that is wrong, each problem once and with the first run that has it."""
    count = count_runs(axes)
    if not count:
        raise SweepError(["got nothing to try, expected a setting with its values, such as lr=1e-4,4e-4"])
    if count > MOST:
        sides = " x ".join(str(len(axis.values)) for axis in axes) + " = " if len(axes) > 1 else ""
        raise SweepError([f"got {sides}{count:,} runs, expected at most {MOST}; try fewer values at once"])
    try:
        check_name(base.name)
    except ValueError as error:
        raise SweepError([str(error)]) from error
    if len(base.name) > LONGEST_SWEEP:
        got = f"got the name {base.name} of {len(base.name)} letters"
        raise SweepError([f"{got}, expected at most {LONGEST_SWEEP}: what is tried is put behind it"])
    trials: list[Trial] = []
    problems: dict[str, str] = {}
    for chosen, name in zip(combine(axes), name_runs(base.name, axes), strict=True):
        try:
            config = with_values(base, chosen | {"name": name})
            trials.append(Trial(config, chosen, make_plan(config)))
        except ConfigError as error:
            problems |= {problem: name for problem in error.problems if problem not in problems}
        except ValueError as error:
            problems.setdefault(str(error), name)
    if problems:
        told = [f"{name}: {problem}" for problem, name in problems.items()]
        more = [f"and {len(told) - TOLD:,} more problems"] if len(told) > TOLD else []
        raise SweepError([*told[:TOLD], *more])
    return trials


def combine(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination, by setting."""
    every = itertools.product(*(axis.values for axis in axes))
    return [dict(zip((axis.key for axis in axes), values, strict=True)) for values in every]


def with_values(base: Config, values: dict[str, Any]) -> Config:
    """The settings with other values by dotted name, checked anew. Raises ConfigError."""
    said = flatten(base.model_dump(exclude_none=True, exclude_unset=True)) | values
    said |= {key: expand(values[key]) for key in PATHS if isinstance(values.get(key), str)}
    return parse_config(nest({key: value for key, value in said.items() if value is not None}), "a run of the sweep")


# ---- names -----------------------------------------------------------------------------------------------------------
def name_runs(sweep: str, axes: Sequence[Axis]) -> list[str]:
    """my-lora-lr1e-4-rank8, for each combination in its order; what cannot be a part of a name is cut, with a number of its own
    behind it, which depends on nothing but the values: the same combination has the same name whatever else is tried."""
    names = [_name(sweep, axes, chosen) for chosen in combine(axes)]
    twice = {name for name in names if names.count(name) > 1}
    return [_cut(sweep, name, chosen) if name in twice else name for name, chosen in zip(names, combine(axes), strict=True)]


def _name(sweep: str, axes: Sequence[Axis], chosen: dict[str, Any]) -> str:
    told = [_tell_value(axis.setting, chosen[axis.key]) for axis in axes]
    parts = [f"{find_short(axis.key).replace('.', '_')}{value}" for axis, (value, _) in zip(axes, told, strict=True)]
    name = "-".join([sweep, *parts])
    is_name = NAME.fullmatch(name) and not name.endswith(".")
    return name if is_name and all(is_whole for _, is_whole in told) else _cut(sweep, name, chosen)


def _cut(sweep: str, name: str, chosen: dict[str, Any]) -> str:
    """A name of letters that a folder may have, with a number that tells it from its likes."""
    number = f"{zlib.crc32(repr(chosen).encode('utf-8', 'replace')):08x}"
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name[len(sweep) :], flags=re.ASCII)
    room = LONGEST_NAME - len(sweep) - len(number) - 1
    return f"{sweep}{safe[:room].rstrip('-._')}-{number}"


def _tell_value(setting: Setting, value: Any) -> tuple[str, bool]:
    """A value as it is in a name: 1e-4, 8, auto, the last part of a path. And whether no other value is told so."""
    if isinstance(value, bool):
        return ("-on" if value else "-off"), True
    if isinstance(value, int | float):
        told = setting.show(value)
        if setting.format == "%e" and 0 < value < 1:  # 2e-3, and not 0.002 beside 1e-4
            mantissa, _, exponent = f"{value:e}".partition("e")
            told = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
        return told, float(told) == value
    told = value if isinstance(value, str) else setting.show(value)
    return (f"-{told}", True) if SIMPLE.fullmatch(told) else ("-" + told.rstrip("/").rpartition("/")[2], False)
