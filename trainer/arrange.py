"""How a training is arranged in the memory of its device: chosen before it begins, put on the model, and changed when memory
runs out. Everything but the base's bits may change in the middle: the numbers stay what they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainer.blocks import checkpoint_blocks, find_blocks, make_finish, swap_blocks
from trainer.config import Config
from trainer.family import Family
from trainer.flow import Batch
from trainer.measure import Measure, count_weights
from trainer.memory import ADAMW_COPIES, COPIES, GB, Asked, Demand, Estimate, Fit, choose, describe, estimate, step_down
from trainer.model import free
from trainer.quantise import bytes_per_weight
from trainer.report import say, speak, warn

USABLE = 0.98  # of the GB on a card's box
ALL = 10**6  # more blocks than any model has


class MemoryRanOut(RuntimeError):
    """There is no smaller way to arrange the training. `fit` is how it was."""

    def __init__(self, fit: Fit, blocks: int, cause: str, may_change: bool):
        cure = "expected room; lower data.resolution, data.batch_size or lora.rank, or choose model.quantise = 'nf4'"
        if not may_change:
            cure = "memory.preset = 'off' allows no smaller way; expected 'auto'"
        super().__init__(f"out of memory with {describe(fit, blocks)}: {cure}; {cause}")
        self.fit = fit


@dataclass
class Arrangement:
    """What was chosen, on a transformer with its LoRA."""

    transformer: Any
    device: torch.device
    fit: Fit
    images: int  # in this process's share of a batch
    may_change: bool = True

    @property
    def images_at_once(self) -> int:
        """How many pass the model together."""
        return -(-self.images // self.fit.pieces)

    def apply(self) -> None:
        checkpoint_blocks(self.transformer, self.fit.checkpointed)
        swap_blocks(self.transformer, self.fit.swapped, self.device)

    def shrink(self, cause: str) -> None:
        """Goes one step smaller after memory ran out. Raises MemoryRanOut when there is no smaller way."""
        blocks = len(find_blocks(self.transformer))
        smaller = step_down(self.fit, blocks, self.images) if self.may_change else None
        if smaller is None:
            raise MemoryRanOut(self.fit, blocks, cause, self.may_change)
        free(self.device)
        self.fit = smaller
        self.apply()
        speak(f"WARNING the GPU's memory ran out: the same step is done again with {describe(smaller, blocks)}; {cause}")


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


# ---- choosing --------------------------------------------------------------------------------------------------------
def read_asked(config: Config, then: Mapping[str, Any]) -> Asked:
    """What the settings leave no choice about. `then` are those of the state that is resumed from, empty where there is none:
    what "auto" chose for the base's bits stays."""
    model, train, memory = config.model, config.train, config.memory
    chosen = then.get("model.quantise", "none") if then else None
    blocks = train.gradient_checkpointing
    return Asked(
        quantise=chosen if model.quantise == "auto" else model.quantise,
        checkpointed=None if blocks == "auto" else ALL if blocks is True else int(blocks),
        pieces=None if train.accumulation == "auto" else train.accumulation,
        swapped=None if memory.swapped_blocks == "auto" else memory.swapped_blocks,
    )


def choose_fit(config: Config, family: Family, measure: Measure, batch: Batch, asked: Asked) -> Fit:
    """How to arrange a training, of which `batch` is one with the largest images; tells it where there was a choice."""
    device = family.base.device
    if device.type != "cuda" or config.memory.preset == "off":
        return Fit(asked.quantise or "none", asked.checkpointed or 0, asked.pieces or 1, asked.swapped or 0)
    demand = find_demand(config, measure, batch)
    room = find_free(config.memory.preset, device)
    sizes = {kind: bytes_per_weight(kind) for kind in ("int8", "fp8", "nf4")} | {"none": float(demand.width)}
    fit = choose(demand, room, asked, sizes)
    need = estimate(demand, fit, sizes[fit.quantise])
    say(describe_need(need, room, describe(fit, demand.blocks)))
    if need.total > room:
        warn("memory may run out: there is no smaller way to arrange this training")
    return fit


def describe_need(need: Estimate, free: float, chosen: str) -> str:
    parts = ", ".join(f"{name} {getattr(need, name) / GB:.1f}" for name in ("weights", "lora", "activations", "other"))
    return f"Memory: {need.total / GB:.1f} of {free / GB:.1f} GB expected ({parts}); {chosen}"


def find_demand(config: Config, measure: Measure, batch: Batch) -> Demand:
    found, sizes = measure.trace(batch), count_weights(measure.twin)
    width = measure.family.base.dtype.itemsize
    text = max(condition.shape[1] for condition in batch.conditions.values() if condition.dim() == 3)  # (B, L, D)
    return Demand(
        trace=found,
        tokens=measure.weigh(batch).tokens // len(batch) + text,
        images=-(-config.data.batch_size // measure.processes),
        linears=sizes.linears,
        others=sizes.others * width,
        largest=sizes.largest,
        lora=sizes.lora,
        copies=COPIES.get(config.train.optimizer, ADAMW_COPIES) + bool(config.train.ema),
        width=width,
    )


def find_free(preset: str, device: torch.device) -> float:
    """Bytes to fit into: what is free now, or a card's."""
    return float(torch.cuda.mem_get_info(device)[0]) if preset == "auto" else int(preset) * GB * USABLE


# ---- loading ---------------------------------------------------------------------------------------------------------
def load_transformer(family: Family, measure: Measure, fit: Fit, matmul_8bit: bool) -> Any:
    """The transformer, frozen, in so many bits, on its device but for the blocks that will wait in the host's memory.

    Each block is made small, or leaves, before the next is read: the device never holds more than it will in the end."""
    blocks = sum(measure.twin.copies) if fit.swapped else 0  # only then it matters how many there are
    return family.load_transformer(make_finish(blocks, fit.swapped, fit.quantise, matmul_8bit))
