"""What the batches of a training cost, counted on a twin of its transformer: FLOPs for the log, bytes for memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from trainer.config import Lora
from trainer.family import Family
from trainer.flops import count_model_flops
from trainer.flow import Batch
from trainer.lora import place_lora
from trainer.parts import find_config
from trainer.report import Work
from trainer.trace import KEPT_OF_EACH, Trace, Twin, find_lists, make_twin, trace

META = torch.device("meta")
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class Measure:
    """Traces each shape of batch once. The twin is built when it is first needed."""

    def __init__(self, family: Family, lora: Lora, processes: int):
        self.family: Family = type(family)(replace(family.base, device=META))
        self.lora, self.processes = lora, processes
        self._twin: Twin | None = None
        self._traces: dict[Shapes, Trace] = {}

    @property
    def twin(self) -> Twin:
        if self._twin is None:
            chooses = self.lora.blocks != "all"  # which blocks have a LoRA: then no two may be alike
            recipe, part = self.family.recipes["transformer"], self.family.base.parts["transformer"]
            config = find_config(part, recipe)
            self._twin = make_twin(lambda: recipe.build(config), self.family.base.dtype, None if chooses else KEPT_OF_EACH)
            place_lora(self._twin.model, self.family, self.lora, META)
        return self._twin

    def remember(self, batch: Batch) -> Callable[[], Work]:
        """What `weigh` says of this batch, to be asked later; the batch itself is not held."""
        return partial(self._weigh, len(batch), find_shapes(batch))

    def weigh(self, batch: Batch) -> Work:
        """What a step with this batch has to do."""
        return self.remember(batch)()

    def trace(self, batch: Batch) -> Trace:
        """Of one of its images."""
        return self._trace(find_shapes(batch))

    def _weigh(self, images: int, shapes: Shapes) -> Work:
        found, tokens = self._trace(shapes), self.family.pack(_fill(shapes).latents).shape[1]
        return Work(images * tokens, count_model_flops(found) * images / self.processes)

    def _trace(self, shapes: Shapes) -> Trace:
        if shapes not in self._traces:
            one, sigmas = _fill(shapes), torch.empty(1, device=META)
            predict: Any = lambda model: self.family.predict(model, self.family.pack(one.latents), one, sigmas, 1.0)  # noqa: E731
            self._traces[shapes] = trace(self.twin, predict)
        return self._traces[shapes]


def find_shapes(batch: Batch) -> Shapes:
    """Of one image: its latent, then its conditions by name."""
    return tuple((name, tuple(tensor.shape[1:])) for name, tensor in {"": batch.latents, **batch.conditions}.items())


def _fill(shapes: Shapes) -> Batch:
    """One image of these shapes, without numbers."""
    (_, latents), *conditions = shapes
    return Batch(
        torch.empty(1, *latents, device=META), {name: torch.empty(1, *shape, device=META) for name, shape in conditions}
    )


@dataclass(frozen=True)
class Sizes:
    """How many weights there are, and where."""

    linears: tuple[int, ...]  # in each block, those that can be kept in fewer bits
    others: int  # all other weights of the base
    largest: int  # in the largest linear
    lora: int


def count_weights(twin: Twin) -> Sizes:
    """Of the real transformer for which the twin stands."""
    blocks = [block for blocks in find_lists(twin.model) for block in blocks]
    linears, rest, lora, largest = [], 0, 0, 0
    for block, copies in zip(blocks, twin.copies, strict=True):
        found = [module.weight.numel() for module in block.modules() if isinstance(module, nn.Linear)]
        learned = sum(weight.numel() for weight in block.parameters() if weight.requires_grad)
        linears += [sum(found)] * copies
        lora += learned * copies
        rest += (sum(weight.numel() for weight in block.parameters()) - sum(found) - learned) * copies
        largest = max(largest, *found)
    inside = sum(weight.numel() for block in blocks for weight in block.parameters())
    rest += sum(weight.numel() for weight in twin.model.parameters()) - inside
    return Sizes(tuple(linears), rest, largest, lora)
