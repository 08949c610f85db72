"""What a LoRA begins as: nothing, or the LoRA of a file, of any tool. Checked before anything large is loaded."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.config import Lora
from trainer.family import Family
from trainer.formats import Layers
from trainer.lora import fill_lora, find_weights, place_lora
from trainer.lora_reader import LoraError, read_lora
from trainer.parts import find_config
from trainer.report import say, warn
from trainer.weights import make_empty


@dataclass(frozen=True)
class LoraStart:
    """The pairs that the first weights are taken from, if any."""

    settings: Lora
    layers: Layers | None = None

    def fill(self, weights: dict[str, Tensor]) -> None:
        """Puts them in place, and says what begins from nothing."""
        if self.layers is None:
            return
        path, fresh = self.settings.start_from, fill_lora(weights, self.settings, self.layers)
        say(f"Loading LoRA: {path} on {len(weights) // 2 - len(fresh)} modules, to go on from it")
        if fresh:
            warn(f"lora.start_from: {len(fresh)} modules are not in {path} and begin from nothing, first {fresh[0]}")


def check_lora(settings: Lora, family: Family, folder: Path, is_resumed: bool) -> LoraStart:
    """Puts the LoRA on a model without weights first: whatever does not fit is found in a second. Raises ValueError.

    A training that is resumed goes on from its state; of its file only the digest is compared (describe_choice)."""
    recipe, part = family.recipes["transformer"], family.base.parts["transformer"]
    transformer = make_empty(lambda: recipe.build(find_config(part, recipe)))
    place_lora(transformer, family, settings, torch.device("meta"))
    weights = find_weights(transformer)
    if not is_resumed and (unknown := [mark for mark in family.lora_marks if f"{mark}.lora_A.weight" not in weights]):
        cure = "save.kohya makes one that it knows"
        warn(f"lora: without {' and '.join(unknown)} InvokeAI does not know the file for a LoRA; {cure}")
    if settings.start_from is None or is_resumed:
        return LoraStart(settings)
    path = Path(settings.start_from).expanduser()
    if path.absolute().parent == folder.absolute():
        raise LoraError(path, ["it is a file of this run, which writes over it; copy it to another folder"])
    file = read_lora(path, [type(family)])
    try:
        fill_lora(weights, settings, file.layers)
    except ValueError as error:
        raise LoraError(path, [f"lora.start_from: {error}"]) from error
    if file.left_out:
        warn(f"lora.start_from: {len(file.left_out)} modules of text encoders are left out, these are not trained")
    return LoraStart(settings, file.layers)


def describe_choice(settings: Lora) -> dict[str, Any]:
    """The settings of the LoRA as its numbers depend on them: of a file what is in it, not where it lies. Raises LoraError."""
    said = settings.model_dump()
    if settings.start_from is not None:
        path = Path(settings.start_from).expanduser()
        if not path.is_file():
            raise LoraError(path, ["there is no such file; lora.start_from needs it, also when its training is resumed"])
        with path.open("rb") as file:
            said["start_from"] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return said
