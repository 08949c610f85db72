"""The parts of a base model: where each lies, how it is built, and how it is loaded.

A part is a folder in diffusers format, a single file, or a folder whose weights a single file replaces. A single file may hold
several parts, and may name its weights as its authors do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.anatomy import describe, find_prefix, read_json
from trainer.header import WeightsError, list_files
from trainer.names import Key, Shapes, rename, translate
from trainer.weights import Finish, Weights, find_mismatches, make_empty, open_weights, stream_into

LEFT = ("weight", "bias")  # leaves of names that a model cannot do without; ComfyUI's scale_weight is none


@dataclass(frozen=True)
class Part:
    """Where one part lies."""

    folder: Path | None  # in diffusers format: its config, and its weights where no file is named
    file: Path | None = None

    @property
    def path(self) -> Path:
        """What a person is shown."""
        found = self.file or self.folder
        assert found is not None
        return found

    def read_config(self) -> dict[str, Any]:
        """How it is built, where a file says so."""
        return read_json(self.folder / "config.json") if self.folder else {}

    def open(self) -> Weights:
        """Raises WeightsError."""
        if self.file:
            return open_weights(self.file)
        assert self.folder is not None
        return open_weights(*list_files(self.folder))


@dataclass(frozen=True)
class Recipe:
    """How one part of a family is built, and what its weights are called."""

    title: str
    build: Callable[[dict[str, Any]], nn.Module]  # from its config
    infer: Callable[[Shapes], dict[str, Any]]  # its config, from the shapes of its weights by diffusers' names
    marks: tuple[str, ...]  # names of weights that it has in any file, and no other part
    keys: tuple[Key, ...] = ()  # other names of its weights
    is_whole: bool = True  # its files hold nothing else, so that what is left over tells of another model


def find_config(part: Part, recipe: Recipe) -> dict[str, Any]:
    """How a part is built. Raises WeightsError when its file holds another model."""
    if config := part.read_config():
        return config
    try:
        return recipe.infer(rename(_open(part, recipe).shapes, recipe.keys))
    except (LookupError, TypeError, ZeroDivisionError) as error:
        raise WeightsError(part.path, f"expected the weights of {recipe.title}, but {error} is not among them") from error


def open_part(part: Part, recipe: Recipe) -> tuple[nn.Module, Weights]:
    """The part without weights, and the weights that belong into it. Raises WeightsError when they do not fit."""
    weights, config = _open(part, recipe), find_config(part, recipe)
    try:
        module = make_empty(lambda: recipe.build(config))
    except (ValueError, TypeError, KeyError, ZeroDivisionError) as error:
        raise WeightsError(part.path, f"no {recipe.title} can be built as its config says: {error}") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    ours = translate(weights, recipe.keys, wanted)
    problems = find_mismatches(module, ours.shapes)
    used = {source.place for source in ours.sources.values()}
    left = [name for name, source in weights.sources.items() if source.place not in used and name.rpartition(".")[2] in LEFT]
    if recipe.is_whole and left and not part.folder:  # a config has said how it is to be built
        problems.append(f"{len(left)} weights are left over, such as {left[0]}")
    if problems:
        raise WeightsError(part.path, f"expected the weights of {recipe.title}, but {'; '.join(problems)}")
    return module, ours


def fill_part(
    module: nn.Module, weights: Weights, dtype: torch.dtype, device: torch.device, finish: Finish | None = None
) -> nn.Module:
    """What `open_part` gave, on its device, frozen; `finish` as in weights.stream_into."""
    stream_into(module, weights, dtype, device, finish)
    if hasattr(module, "tie_weights"):
        module.tie_weights()  # T5 keeps one tensor at two places
    return module


def load_part(part: Part, recipe: Recipe, dtype: torch.dtype, device: torch.device, finish: Finish | None = None) -> nn.Module:
    """The part on its device, frozen; `finish` as in weights.stream_into."""
    return fill_part(*open_part(part, recipe), dtype, device, finish)


def has_part(names: Mapping[str, object], recipe: Recipe) -> bool:
    """Whether a file with these names holds the part."""
    return find_prefix(names, recipe.marks) is not None


def _open(part: Part, recipe: Recipe) -> Weights:
    weights = part.open()
    prefix = find_prefix(weights, recipe.marks)
    if prefix is None:
        raise WeightsError(part.path, f"got {describe(weights)}, expected {recipe.title}")
    return weights.under(prefix)
