"""The LoRA while it learns: which linears it is on, its first weights, and what of it sits out a step.

For each linear W x it learns A (rank, columns) and B (rows, rank): W x + alpha / rank * B A x.
Hu et al. 2021 (arXiv 2106.09685), section 4.1."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.block_choice import KINDS, parse_blocks
from trainer.config import Lora
from trainer.family import Family
from trainer.flow import make_generator, send
from trainer.formats import Layers

BLOCK = re.compile(rf"({'|'.join(KINDS.values())})\.(\d+)\.(.+)")
KIND_OF = {module: kind for kind, module in KINDS.items()}


class LoraLinear(nn.Module):
    """A frozen linear with what is learned beside it. `base` may be anything with in_features, out_features and forward.

    A and B stay fp32 and take part in the numbers' own type, so that no fp32 copy of those is made."""

    def __init__(self, base: nn.Module, rank: int, scale: float, device: torch.device):
        super().__init__()
        self.base, self.scale = base, scale
        self.in_features, self.out_features = int(base.in_features), int(base.out_features)
        self.lora_A = Half(rank, self.in_features, device)
        self.lora_B = Half(self.out_features, rank, device)
        self.kept: Tensor | None = None  # (B, rank) what each rank counts for each image of the batch; None: 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, ..., columns) -> (B, ..., rows)."""
        inner = functional.linear(x, self.lora_A.weight.to(x.dtype)) * self.scale
        if self.kept is not None:
            inner = inner * self.kept.to(x.dtype).view(len(x), *[1] * (x.dim() - 2), -1)
        return self.base(x) + functional.linear(inner, self.lora_B.weight.to(x.dtype))


class Half(nn.Module):
    """A or B. No nn.Linear: whoever looks for the model's own linears must not find it."""

    def __init__(self, rows: int, columns: int, device: torch.device):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, columns, device=device))


def add_lora(transformer: Any, family: Family, settings: Lora, seed: int) -> dict[str, Tensor]:
    """Puts the LoRA on a frozen transformer. Its weights by name, fp32 whatever the base is, in a fixed order.

    A is random with variance 1/rank^2, the same on every device; B is zero, so that nothing has changed yet."""
    place_lora(transformer, family, settings, family.base.device)
    weights = find_weights(transformer)
    for name, weight in weights.items():
        if name.endswith(".lora_A.weight"):
            key = name.replace(".lora_A.", ".lora_A.default.")  # as it was called when the first golden numbers were made
            weight.data.copy_(torch.randn(weight.shape, generator=make_generator("lora", seed, key)) / settings.rank)
    return weights


def place_lora(transformer: nn.Module, family: Family, settings: Lora, device: torch.device) -> None:
    """All of it zero. Raises ValueError where the choice of linears does not fit the model."""
    for name in find_targets(transformer, family, settings):
        parent, _, child = name.rpartition(".")
        layer = LoraLinear(transformer.get_submodule(name), settings.rank, settings.alpha / settings.rank, device)
        setattr(transformer.get_submodule(parent), child, layer)


def find_weights(transformer: nn.Module) -> dict[str, Tensor]:
    """A and B of each layer, as they are called in a file, without what stands before that."""
    return {name: weight for name, weight in sorted(transformer.named_parameters()) if ".lora_" in name}


# ---- which linears ---------------------------------------------------------------------------------------------------
def find_targets(transformer: nn.Module, family: Family, settings: Lora) -> list[str]:
    """Full names of the linears that get a LoRA, all of them in blocks. Raises ValueError where the choice does not fit."""
    places = {name: (KIND_OF[place[1]], int(place[2]), place[3]) for name, place in _find_linears(transformer)}
    counts = {kind: len(transformer.get_submodule(module)) for kind, module in KINDS.items()}
    blocks = parse_blocks(settings.blocks)
    if problems := blocks.find_problems(counts):
        raise ValueError(f"lora.blocks: {family.title} has fewer blocks: {'; '.join(problems)}")
    ends = find_ends(family, settings.targets, sorted({end for _, _, end in places.values()}))
    found = [name for name, (kind, number, end) in places.items() if blocks.includes(kind, number) and end in ends]
    if not found:
        raise ValueError(f"lora.targets: got {settings.targets!r} with lora.blocks {settings.blocks!r}: no linear is both")
    return found


def find_ends(family: Family, targets: str | list[str], choices: list[str]) -> set[str]:
    """The linears of a block by their names in it. In a list the last parts of a name do: 'to_q' for 'attn.to_q'."""
    if isinstance(targets, str):
        if targets not in family.targets:
            expected = " or ".join(repr(choice) for choice in family.targets)
            raise ValueError(f"lora.targets: got {targets!r}, {family.title} has {expected}")
        return set(family.targets[targets])
    chosen = {target: {end for end in choices if f".{end}".endswith(f".{target}")} for target in targets}
    if unknown := [target for target, ends in chosen.items() if not ends]:
        raise ValueError(f"lora.targets: got {unknown[0]!r}, expected {' or '.join(choices)}")
    return set().union(*chosen.values())


def _find_linears(transformer: nn.Module) -> Iterator[tuple[str, re.Match[str]]]:
    for name, module in transformer.named_modules():
        place = BLOCK.fullmatch(name)
        if place and hasattr(module, "in_features"):
            yield name, place


# ---- going on from a LoRA --------------------------------------------------------------------------------------------
def fill_lora(weights: dict[str, Tensor], settings: Lora, layers: Layers) -> list[str]:
    """Puts a LoRA's pairs in place of the first weights; what it adds is the same. The modules that it has none for.

    One of a lower rank leaves the rest of A as it was, and of B at zero. Raises ValueError where it does not fit."""
    modules = {name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")}
    scale = settings.alpha / settings.rank
    for module, pair in layers.items():
        if module not in modules:
            if not pair.b.any():
                continue  # adds nothing
            cure = "choose lora.targets and lora.blocks that include it"
            raise ValueError(f"it has {module}, which this training leaves out: {cure}")
        if pair.rank > settings.rank:
            raise ValueError(f"{module} has rank {pair.rank}, lora.rank is {settings.rank}: expected at least its rank")
        a, b = weights[f"{module}.lora_A.weight"], weights[f"{module}.lora_B.weight"]
        if pair.a.shape[1] != a.shape[1] or len(pair.b) != len(b):
            got, expected = (len(pair.b), pair.a.shape[1]), (len(b), a.shape[1])
            raise ValueError(f"{module} is for a linear of {got} rows and columns, the base model's has {expected}")
        a.data[: pair.rank].copy_(pair.a)
        b.data[:, : pair.rank].copy_(pair.b.float() / scale)
    return sorted(modules - layers.keys())


# ---- dropout ---------------------------------------------------------------------------------------------------------
class RankDropout:
    """Leaves out ranks of each layer while it learns, so that none relies on the others: kohya's rank_dropout.

    Which ones is a function of (seed, step, image in the batch, layer) alone, drawn for the whole batch: neither a resume nor
    pieces of a batch, several processes or the recomputation of a checkpointed block changes anything.
    kohya-ss/sd-scripts, networks/lora_flux.py, LoRAModule.forward."""

    def __init__(self, transformer: nn.Module, settings: Lora, seed: int):
        self.share, self.seed, self.rank = settings.dropout, seed, settings.rank
        named = sorted((name, module) for name, module in transformer.named_modules() if isinstance(module, LoraLinear))
        self.layers = [layer for _, layer in named]

    @contextmanager
    def active(self, step: int, images: int, rows: slice, device: torch.device) -> Iterator[None]:
        """Around the forward and the backward of some of a batch's images. Everywhere else all ranks take part."""
        if not self.share:
            yield
            return
        kept = send(self.draw(step, images)[:, rows], device)
        for layer, counts in zip(self.layers, kept, strict=True):
            layer.kept = counts
        try:
            yield
        finally:
            for layer in self.layers:
                layer.kept = None

    def draw(self, step: int, images: int) -> Tensor:
        """What each rank counts (layers, images, rank): 0, or so much more than 1 that the mean stays 1."""
        chance = torch.rand(len(self.layers), images, self.rank, generator=make_generator("dropout", self.seed, step))
        return (chance >= self.share).float() / (1 - self.share)
