"""From the names that a model's authors gave its weights to diffusers', by a family's table: split, swapped and renamed while
they are read, so that nothing is converted in memory first."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from trainer.weights import Source, Weights

Shapes = Mapping[str, tuple[int, ...]]
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")
LEAVES = {"weight": ("weight", "scale")}  # Black Forest's norms call their weight scale


@dataclass(frozen=True)
class Key:
    """One module of the original model and what it is made of in diffusers. {} stands for the number of a block.

    Several names: its rows are theirs, in this order; `rows` are their numbers of rows, in widths of what goes in, where they
    are not one each. `swapped`: the two halves of its rows stand the other way round."""

    theirs: str
    ours: tuple[str, ...]
    swapped: bool = False
    rows: tuple[float, ...] = ()


def rename(shapes: Shapes, keys: Iterable[Key]) -> dict[str, tuple[int, ...]]:
    """Shapes by diffusers' names, of all weights that are not fused: enough to tell how a model is built."""
    ours = {key.theirs: key.ours[0] for key in keys if len(key.ours) == 1}
    renamed = {}
    for name, shape in shapes.items():
        module, _, leaf = name.rpartition(".")
        pattern, number = _split(module, ours)
        known = ours.get(pattern)
        renamed[f"{known.format(number)}.{'weight' if leaf == 'scale' else leaf}" if known else name] = shape
    return renamed


def translate(weights: Weights, keys: Iterable[Key], wanted: Shapes) -> Weights:
    """What is wanted, by diffusers' names. A weight that has its name already stays; what is not there is left out."""
    table = {name: (key, place) for key in keys for place, name in enumerate(key.ours)}
    found = ((name, _find(name, weights, table, wanted)) for name in wanted)
    return Weights({name: source for name, source in found if source})


def _find(name: str, weights: Weights, table: Mapping[str, tuple[Key, int]], wanted: Shapes) -> Source | None:
    if name in weights.sources:
        return _shaped(weights.sources[name], wanted[name])
    module, _, leaf = name.rpartition(".")
    pattern, number = _split(module, table)
    if pattern not in table:
        return None
    key, place = table[pattern]
    theirs = key.theirs.format(number)
    source = next((weights.sources[other] for other in _spell(theirs, leaf) if other in weights.sources), None)
    if source is None or len(key.ours) == 1:
        return source and replace(_shaped(source, wanted[name]), is_swapped=key.swapped)
    ends = [0]  # rows of theirs at which the next of ours begins
    for one in key.ours:
        ends.append(ends[-1] + wanted[f"{one.format(number)}.{leaf}"][0])
    if ends[-1] != source.shape[0]:
        return replace(source, shape=source.shape)  # of another size: told as a mismatch
    return replace(source, shape=wanted[name], rows=(ends[place], ends[place + 1]))


def _spell(module: str, leaf: str) -> Iterator[str]:
    return (f"{module}.{other}" for other in LEAVES.get(leaf, (leaf,)))


def _split(module: str, table: Mapping[str, object]) -> tuple[str, str]:
    """A module as the table has it, and the number of its block: the name itself, or with {} for its first number."""
    match = NUMBER.search(module)
    if module in table or not match:
        return module, ""
    return f"{module[: match.start()]}{{}}{module[match.end() :]}", match[0]


def _shaped(source: Source, shape: tuple[int, ...]) -> Source:
    """With our shape, where only ones at its end differ: a 1x1 convolution may be a linear with us."""
    is_same = source.shape[: len(shape)] == shape and set(source.shape[len(shape) :]) <= {1}
    return replace(source, shape=shape) if is_same else source
