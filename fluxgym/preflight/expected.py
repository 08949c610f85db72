"""How long a training will take, from what this machine was measured to do: the FLOP/s of earlier runs of the same base model.

The trainer's log says now and then how fast its steps are (trainer/report.py, SpeedLines). Where nothing was measured, nothing
is told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.log.tail import tail
from fluxgym.run.index import list_recent
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.run.stamp import stamp_of
from trainer.config import Config
from trainer.folder import RunFolder

SPEED = re.compile(r"Speed: ([\d.,]+) s/it, [\d.,]+ tokens/s, ([\d.,]+) TFLOP/s")
LOOKED_AT = 400  # lines at a log's end; a line on speed comes after 50 steps
MOST_RUNS = 40  # the last ones
MANNER = (
    ("model", "quantise", "auto"),
    ("model", "dtype", "auto"),
    ("model", "device", "auto"),
    ("model", "matmul_8bit", False),
    ("train", "gradient_checkpointing", "auto"),
    ("memory", "preset", "auto"),
)


@dataclass(frozen=True)
class Measured:
    """What one run reached."""

    run: str
    flops: float  # in a second


@dataclass(frozen=True)
class Expected:
    """Of all steps together; loading, samples and saving come on top."""

    seconds: float
    step_seconds: float
    run: str  # whose speed it is


_seen: dict[RunFolder, tuple[object, float | None]] = {}


def find_expected(config: Config, total_steps: int, step_flops: float) -> Expected | None:
    """None where no run of this base model, kept in the same bits, was measured here."""
    measured = find_measured(config, list_recent(MOST_RUNS))
    if measured is None or step_flops <= 0:
        return None
    step = step_flops / measured.flops
    return Expected(step * total_steps, step, measured.run)


def find_measured(config: Config, runs: Sequence[RunFolder]) -> Measured | None:
    """The speed of the last run whose steps are made as those of `config` will be."""
    wanted = _manner(config.model_dump())
    for folder in runs:
        try:
            is_alike = _manner(read_settings(folder)) == wanted
        except SettingsError:
            continue
        if is_alike and (flops := _read_speed(folder)):
            return Measured(folder.name, flops)
    return None


def _manner(settings: dict[str, Any]) -> tuple[Any, ...]:
    """What FLOP/s depend on, besides the size of a step; each with its default."""
    return (
        settings.get("model", {}).get("base"),
        *(settings.get(section, {}).get(name, usual) for section, name, usual in MANNER),
    )


def _read_speed(folder: RunFolder) -> float | None:
    stamp = stamp_of(folder.training_log)
    if folder not in _seen or _seen[folder][0] != stamp:
        try:
            found = [match for line in tail(folder.training_log, LOOKED_AT).lines if (match := SPEED.search(line))]
        except OSError:
            found = []
        flops = float(found[-1][2].replace(",", "")) * 1e12 if found else 0.0
        _seen[folder] = stamp, flops or None
    return _seen[folder][1]
