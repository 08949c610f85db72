"""The families there are, and which of them a base model is of."""

from pathlib import Path

import torch

from trainer.config import Model
from trainer.family import Family
from trainer.flux1 import Flux1
from trainer.model import Base, ModelError, choose_dtype, download, find_problems, read_json

FAMILIES: tuple[type[Family], ...] = (Flux1,)


def find_base(settings: Model, device: torch.device) -> Family:
    """The base model, checked, downloaded where it is a name on the Hub. Raises ModelError."""
    path = Path(settings.base).expanduser()
    if not path.is_dir():
        path = download(settings.base, dict.fromkeys(part for family in FAMILIES for part in family.configs))
    family = choose_family(settings.base, path)
    if problems := find_problems(path, family):
        raise ModelError(settings.base, problems)
    guided = family.is_guided(read_json(path / "transformer" / family.configs["transformer"]))
    length = settings.max_sequence_length or family.text_length(guided)
    return family(Base(settings.base, path, device, choose_dtype(settings, device), length, guided))


def choose_family(name: str, path: Path) -> type[Family]:
    """By what model_index.json says. Raises ModelError."""
    known = {pipeline: family for family in FAMILIES for pipeline in family.pipelines}
    titles = " or ".join(family.title for family in FAMILIES)
    index = path / "model_index.json"
    if not index.is_file():
        single = sorted(file.name for file in path.glob("*.safetensors"))
        got = f"got the single file {single[0]}" if single else "got a folder without it"
        problem = f"model_index.json is missing: {got}, expected {titles} in diffusers format, one folder for each part"
        raise ModelError(name, [problem])
    kind = read_json(index).get("_class_name")
    if kind not in known:
        choices = " or ".join(f"{pipeline} ({family.title})" for pipeline, family in known.items())
        raise ModelError(name, [f"model_index.json: got the model class {kind}, expected {choices}"])
    return known[kind]
