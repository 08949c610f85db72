"""The forms in which a LoRA's file is written: read whichever it is, written as any of them.

diffusers  transformer.transformer_blocks.0.attn.to_q.lora_A.weight: diffusers' modules, as we write them; peft's alike
bfl        diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight: the original modules, as ai-toolkit writes them
kohya      lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight, with .alpha: the same modules

In between a LoRA is a pair (A, B) for each of diffusers' modules, its scale folded into B. The original's q, k, v (and MLP)
are one module. Joined, the A lie one below the other and the B along a diagonal; a pair so built is taken apart again,
any other shares its A. Both ways are exact, and the way there and back restores the rank.
The rule: kohya-ss/sd-scripts, networks/convert_flux_lora.py, a61cf73."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainer.names import Key

Form = Literal["diffusers", "kohya", "bfl"]
NUMBER = re.compile(r"(?<=blocks[._])\d+")  # of a block


@dataclass(frozen=True)
class Pair:
    """What a LoRA adds to one linear's weight: B A."""

    a: Tensor  # (rank, columns)
    b: Tensor  # (rows, rank)

    @property
    def rank(self) -> int:
        return len(self.a)

    def scale(self, factor: float) -> "Pair":
        """The same times a factor, which B takes, in fp32 where its own type would round."""
        if factor == 1:
            return self
        return Pair(self.a, (self.b if is_exact(factor, self.b.dtype) else self.b.float()) * factor)

    def swap(self) -> "Pair":
        """The two halves of its rows the other way round."""
        return Pair(self.a, torch.cat(self.b.chunk(2)[::-1]))


Layers = dict[str, Pair]  # by diffusers' name of the module


class Names:
    """Finds a family's modules by any of their names; by those of `more` to read them alone."""

    def __init__(self, keys: Sequence[Key], more: Sequence[Key] = ()):
        self._theirs = {spelling: key for key in (*keys, *more) for spelling in _spell(key.theirs)}
        self._ours = {spelling: (key, name) for key in keys for name in key.ours for spelling in _spell(name)}

    def place(self, module: str, pair: Pair) -> Layers | None:
        """What a module of a file adds to diffusers' modules; None where there is none such. Raises ValueError on its shape."""
        pattern, number = split_number(module)
        if found := self._ours.get(pattern):
            return {found[1].format(number): pair}
        key = self._theirs.get(pattern)
        if key is None:
            return None
        parts = take_apart(pair.swap() if key.swapped else pair, key)
        return {name.format(number): part for name, part in zip(key.ours, parts, strict=True) if part}

    def join(self, layers: Layers) -> Layers:
        """The original's modules, by their names."""
        groups: dict[tuple[Key, str], dict[str, Pair]] = {}
        for module, pair in layers.items():
            pattern, number = split_number(module)
            key, name = self._ours[pattern]
            groups.setdefault((key, number), {})[name] = pair
        joined = {
            key.theirs.format(number): join([parts.get(name) for name in key.ours], key)
            for (key, number), parts in groups.items()
        }
        swapped = {key.theirs for key, _ in groups if key.swapped}
        return {module: pair.swap() if module in swapped else pair for module, pair in joined.items()}


def split_number(module: str) -> tuple[str, str]:
    """'single_blocks.7.linear1' -> ('single_blocks.{}.linear1', '7')."""
    number = NUMBER.search(module)
    return (NUMBER.sub("{}", module, count=1), number[0]) if number else (module, "")


def _spell(pattern: str) -> Iterable[str]:
    """With dots, and as kohya spells it."""
    return pattern, pattern.replace(".", "_")


# ---- modules that are one in the original ----------------------------------------------------------------------------
def find_sizes(key: Key, columns: int) -> list[int]:
    """How many rows each of its parts has."""
    return [round(part * columns) for part in key.rows or (1,) * len(key.ours)]


def join(parts: Sequence[Pair | None], key: Key) -> Pair:
    """One pair of several; of a part that has none, zeros, so that the same parts come out of it again."""
    there = [part for part in parts if part]
    if len(parts) == 1:
        return there[0]
    if len(there) == len(parts) and all(torch.equal(there[0].a, part.a) for part in there[1:]):
        return Pair(there[0].a, torch.cat([part.b for part in there]))
    rank, like = max(part.rank for part in there), there[0].a
    sizes = find_sizes(key, like.shape[1])
    blank = [Pair(like.new_zeros(rank, like.shape[1]), like.new_zeros(size, rank)) for size in sizes]
    whole = [part or empty for part, empty in zip(parts, blank, strict=True)]
    return Pair(torch.cat([part.a for part in whole]), torch.block_diag(*(part.b for part in whole)))


def take_apart(pair: Pair, key: Key) -> list[Pair | None]:
    """The parts of a joined pair; None for one that has no LoRA. Raises ValueError where the shape is not its own."""
    rows, columns = len(pair.b), pair.a.shape[1]
    sizes = find_sizes(key, columns)
    if (len(sizes) > 1 or key.rows) and sum(sizes) != rows:
        raise ValueError(f"{key.theirs}: got {rows} rows for {columns} columns, expected {sum(sizes)}")
    if len(sizes) == 1:
        return [pair]
    slices = pair.b.split(sizes)
    owners = _find_owners(slices)
    if owners is None:
        return [Pair(pair.a, rows_of_part) for rows_of_part in slices]
    parts = []
    for number, rows_of_part in enumerate(slices):
        own = owners == number
        part = Pair(pair.a[own], rows_of_part[:, own])
        parts.append(part if part.a.any() or part.b.any() else None)
    return parts


def _find_owners(slices: Sequence[Tensor]) -> Tensor | None:
    """Which part each rank is for, where each is for one alone; None where they are shared.

    In equal shares, as kohya writes them, or in whatever shares there are; ranks that add nothing go with those before them."""
    used = torch.stack([(rows != 0).any(0) for rows in slices])  # (parts, rank)
    parts, rank = used.shape
    numbers = torch.arange(rank)
    guesses = [numbers * parts // rank] if rank % parts == 0 else []
    guesses.append(torch.where(used.any(0), used.int().argmax(0), 0).cummax(0).values)
    fitting = (owners for owners in guesses if torch.equal(used.sum(0), used[owners, numbers].long()))
    return next(fitting, None)


# ---- writing ---------------------------------------------------------------------------------------------------------
def spell(layers: Layers, keys: Sequence[Key], form: Form, kohya_prefix: str = "lora_unet_") -> dict[str, Tensor]:
    """The tensors of a file in one of the forms."""
    if form == "diffusers":
        return _lay_out({f"transformer.{module}": pair for module, pair in layers.items()}, "lora_A", "lora_B")
    joined = Names(keys).join(layers)
    if form == "bfl":
        return _lay_out({f"diffusion_model.{module}": pair for module, pair in joined.items()}, "lora_A", "lora_B")
    named = {f"{kohya_prefix}{module.replace('.', '_')}": pair for module, pair in joined.items()}
    alphas = {f"{module}.alpha": torch.tensor(float(pair.rank)) for module, pair in named.items()}
    return _lay_out(named, "lora_down", "lora_up") | alphas


def _lay_out(pairs: Mapping[str, Pair], a: str, b: str) -> dict[str, Tensor]:
    """Copies: parts of a joined pair may share their memory, which the files' format has no word for."""
    tensors = {}
    for module, pair in pairs.items():
        tensors[f"{module}.{a}.weight"] = pair.a.clone().contiguous()
        tensors[f"{module}.{b}.weight"] = pair.b.clone().contiguous()
    return tensors


def is_exact(factor: float, dtype: torch.dtype) -> bool:
    """Whether numbers of a type can be multiplied by a factor without rounding."""
    return dtype in (torch.float32, torch.float64) or math.frexp(factor)[0] == 0.5
