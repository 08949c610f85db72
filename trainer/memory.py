"""What a training needs of a GPU's memory, and how it is made to fit: the base in fewer bits, blocks computed twice instead of
kept, a batch in pieces, blocks that wait in the host's memory.

The need is counted on a twin without numbers (trace.py), so that it holds for every family and LoRA. `memory.preset` says for
how much memory to choose, "auto" for what is free; settings that say what they want are left alone. Only the base's bits
change the numbers of a training: they are chosen once, before it begins, and a resume keeps them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from trainer.blocks import PLACES, choose_swapped
from trainer.trace import Trace

GB = 2**30  # bytes, as nvidia-smi and the makers of cards count
CONTEXT = 0.7 * GB  # what CUDA, cuBLAS and the compiled kernels take for themselves [assumed]
SPARE = 0.04  # of what is allocated: holes between allocations [assumed]
WORK = 0.5  # of what the largest block keeps: its gradients on the way [assumed]
HALF_SPEED = 1024  # tokens in one piece at which a GPU reaches half of its best speed [assumed]
COPIES = {"adamw8bit": 2.5, "adafactor": 2.0, "lion": 3.0, "prodigy": 6.0}  # of the LoRA in fp32: weights, gradients, moments
ADAMW_COPIES = 4.0

# From the most exact to the smallest: how the base is kept, how much longer a step then takes [assumed], and up to which
# share of the blocks may wait in the host's memory. A rung is taken when nothing on those before it fits: a base in fewer
# bits learns something else, however little, while a block computed twice only takes its time.
RUNGS = (("none", 1.0, 0.0), ("int8", 1.1, 0.0), ("int8", 1.1, 0.3), ("nf4", 1.3, 0.0), ("nf4", 1.3, 1.0))
EIGHT_BIT = ("int8", "fp8")
SWAP_STEPS = 8  # how finely the number of waiting blocks is chosen


@dataclass(frozen=True)
class Fit:
    """One way to make a training fit."""

    quantise: str  # how the base is kept: none, int8, fp8 or nf4
    checkpointed: int  # blocks, the first ones, that are computed twice
    pieces: int  # in which a process passes its share of a batch
    swapped: int  # blocks that wait in the host's memory


@dataclass(frozen=True)
class Demand:
    """What a training needs however it is arranged. Bytes and numbers, for one process."""

    trace: Trace  # of one image of the largest size
    tokens: int  # of that image and its text
    images: int  # in the process's share of a batch
    linears: tuple[int, ...]  # weights of each block that can be kept in fewer bits
    others: int  # bytes of all other weights of the base
    largest: int  # weights of the largest linear
    lora: int  # weights of the LoRA
    copies: float  # of the LoRA in fp32, with all that the optimizer and the average keep
    width: int = 2  # bytes of one number of the base as it is

    @property
    def blocks(self) -> int:
        return len(self.linears)


@dataclass(frozen=True)
class Estimate:
    """Bytes."""

    weights: float
    lora: float
    activations: float
    other: float

    @property
    def total(self) -> float:
        return self.weights + self.lora + self.activations + self.other


@dataclass(frozen=True)
class Asked:
    """What the settings say; None for what may be chosen."""

    quantise: str | None = None
    checkpointed: int | None = None
    pieces: int | None = None
    swapped: int | None = None


def estimate(demand: Demand, fit: Fit, bytes_per_weight: float) -> Estimate:
    """What a training needs when it is arranged so.

    The first blocks are those that are checkpointed: when the backward pass reaches them, what the others kept is gone."""
    parts, images = demand.trace.blocks, math.ceil(demand.images / fit.pieces)
    entries = sum(part.entry for part in parts[: fit.checkpointed])
    again = max((part.kept for part in parts[: fit.checkpointed]), default=0)
    kept = sum(part.kept for part in parts[fit.checkpointed :])
    work = WORK * max((part.kept for part in parts), default=0)
    activations = images * (demand.trace.rest.kept + entries + max(kept, again) + work)
    away = set(choose_swapped(demand.blocks, fit.swapped))
    there = sum(size for number, size in enumerate(demand.linears) if number not in away)
    linears = there + (PLACES * max(demand.linears) if away else 0)
    whole = 0 if fit.quantise == "none" else 2 * demand.largest * demand.width  # a weight made whole for its product
    weights = linears * bytes_per_weight + demand.others
    lora = demand.lora * 4 * demand.copies
    return Estimate(weights, lora, activations, whole + CONTEXT + SPARE * (weights + lora + activations))


def choose(demand: Demand, free: float, asked: Asked, sizes: dict[str, float]) -> Fit:
    """The fastest way that fits into so many bytes, on the first rung on which one does; the smallest where none does.

    `sizes` are the bytes of a weight by kind. Of the two kinds of 8 bits int8 is the more exact one (quantise.py)."""
    smallest: tuple[float, Fit] | None = None
    for precision, slower, share in RUNGS:
        kind = asked.quantise if asked.quantise in EIGHT_BIT and precision in EIGHT_BIT else precision
        if asked.quantise not in (None, kind):
            continue
        best: tuple[float, Fit] | None = None
        for fit in _candidates(demand, asked, kind, share):
            need = estimate(demand, fit, sizes[kind]).total
            cost = find_cost(demand, fit, slower)
            if need <= free and (best is None or cost < best[0]):
                best = cost, fit
            if smallest is None or need < smallest[0]:
                smallest = need, fit
        if best:
            return best[1]
    assert smallest is not None
    return smallest[1]


def _candidates(demand: Demand, asked: Asked, kind: str, share: float) -> Iterator[Fit]:
    """All that may be chosen. Blocks that wait are computed twice, so then all are."""
    most = int(demand.blocks * share)
    swaps = {most * step // SWAP_STEPS for step in range(SWAP_STEPS + 1)} if asked.swapped is None else {asked.swapped}
    pieces = double_up(demand.images) if asked.pieces is None else [asked.pieces]
    for swapped in sorted(swaps):
        fewest = demand.blocks if swapped else 0
        blocks = range(fewest, demand.blocks + 1) if asked.checkpointed is None else [min(asked.checkpointed, demand.blocks)]
        for number in pieces:
            yield from (Fit(kind, checkpointed, number, swapped) for checkpointed in blocks)


def double_up(most: int) -> list[int]:
    """1, 2, 4 ... and the most itself."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def find_cost(demand: Demand, fit: Fit, slower: float) -> float:
    """The time of a step, in arbitrary units: FLOPs, more for small pieces, and for blocks that wait."""
    again = list(accumulate((part.forward for part in demand.trace.blocks), initial=0.0))[fit.checkpointed]
    tokens = math.ceil(demand.images / fit.pieces) * demand.tokens
    waits = 1 + fit.swapped / demand.blocks  # the slower half of it hides behind the products [assumed]
    return (demand.trace.forward + demand.trace.backward + again) * slower * (1 + HALF_SPEED / tokens) * waits


def step_down(fit: Fit, blocks: int, images: int) -> Fit | None:
    """The next smaller way after memory ran out, with the same numbers; None when there is none.

    First more blocks computed twice, then smaller pieces, then more waiting blocks, as they cost more and more time."""
    quarter = math.ceil(blocks / 4)
    if fit.checkpointed < blocks:
        return replace(fit, checkpointed=min(blocks, fit.checkpointed + quarter))
    if fit.pieces < images:
        return replace(fit, pieces=min(images, 2 * fit.pieces))
    if fit.swapped < blocks:
        return replace(fit, swapped=min(blocks, fit.swapped + quarter))
    return None


def describe(fit: Fit, blocks: int) -> str:
    """'base in int8, 12 of 57 blocks checkpointed, batch in 2 pieces, 8 blocks swapped'."""
    words = [f"base in {fit.quantise}" if fit.quantise != "none" else "base as it is"]
    checkpointed = min(fit.checkpointed, blocks)
    words.append(f"{checkpointed} of {blocks} blocks checkpointed" if checkpointed else "no block checkpointed")
    if fit.pieces > 1:
        words.append(f"batch in {fit.pieces} pieces")
    if fit.swapped:
        words.append(f"{fit.swapped} blocks swapped")
    return ", ".join(words)
