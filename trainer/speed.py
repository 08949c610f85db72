"""How fast the training's device could be, and whether compiling repays itself on it."""

import resource
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.compile import MFU, count_graphs, is_worth_it
from trainer.config import Config
from trainer.family import Family
from trainer.flops import Kind, find_card
from trainer.flow import Batch
from trainer.measure import Measure
from trainer.memory import EIGHT_BIT, Fit
from trainer.report import SpeedLines


@dataclass(frozen=True)
class Compilation:
    """What there would be to compile, and for how long."""

    fit: Fit
    kinds: int  # of blocks
    shapes: int  # sizes of images
    steps: int  # of the whole training
    mark: Path  # that says it is in the cache
    was_compiled: bool | None  # in the training that is resumed


def find_peak(device: torch.device, dtype: torch.dtype, fit: Fit, matmul_8bit: bool) -> float | None:
    """FLOP/s of the device at best, with the numbers that are multiplied; None where nobody knows."""
    card = find_card(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    if card is None or dtype == torch.float32:
        return None
    kind: Kind = "bf16"
    if matmul_8bit and fit.quantise in EIGHT_BIT:
        kind = "int8" if fit.quantise == "int8" else "fp8"
    return card.peak(kind) or None


def measure_peak_memory(device: torch.device) -> float:
    """Bytes at most so far: of the GPU's tensors, or of this process. Waits for nothing."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def make_speed_lines(config: Config, family: Family, fit: Fit) -> SpeedLines:
    """For this training on its device."""
    device = family.base.device
    peak = find_peak(device, family.base.dtype, fit, config.model.matmul_8bit)
    return SpeedLines(config.log.speed_every, peak, lambda: measure_peak_memory(device))


def choose_compile(config: Config, family: Family, measure: Measure, batch: Batch, plan: Compilation) -> bool:
    """Whether to compile the blocks. "auto" guesses the time of a step from its FLOPs and the card."""
    asked = config.speed.compile
    if asked != "auto":
        return asked
    if plan.was_compiled is not None:  # a resume has the numbers of its beginning
        return plan.was_compiled
    peak = find_peak(family.base.device, family.base.dtype, plan.fit, config.model.matmul_8bit)
    work = measure.weigh(batch).flops * config.data.batch_size if peak else 0.0
    seconds = work / (peak * MFU) if peak else None
    graphs = count_graphs(plan.kinds, plan.shapes)
    return is_worth_it(plan.steps, seconds, graphs, plan.mark.exists())
