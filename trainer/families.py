"""The families there are, which of them a base model is of, and where its parts lie."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache

from trainer.anatomy import INDEX, PARTS, describe, read_json
from trainer.config import Model
from trainer.family import Family
from trainer.flux1 import Flux1
from trainer.flux2 import Flux2Klein
from trainer.header import WeightsError
from trainer.model import Base, ModelError, choose_dtype, download, find_problems
from trainer.parts import Part, find_config, has_part
from trainer.report import warn
from trainer.weights import open_weights

FAMILIES: tuple[type[Family], ...] = (Flux1, Flux2Klein)
TITLES = " or ".join(family.title for family in FAMILIES)


def find_base(settings: Model, device: torch.device) -> Family:
    """The base model, checked, downloaded where it is a name on the Hub. Raises ModelError."""
    family, parts, options = find_parts(settings)
    for name in sorted({name for other in FAMILIES for name in other.settings.values()} - set(family.settings.values())):
        if given := getattr(settings, name):
            warn(f"model.{name}: {given} is ignored, {family.title} has no such part")
    if problems := find_problems(parts, family):
        raise ModelError(settings.base, problems)
    guided = family.is_guided(find_config(parts["transformer"], family.recipes["transformer"]))
    length = settings.max_sequence_length or family.text_length(guided)
    return family(Base(settings.base, parts, device, choose_dtype(settings, device), length, guided, options))


def find_parts(settings: Model) -> tuple[type[Family], dict[str, Part], dict[str, Any]]:
    """Where each part lies: in a folder in diffusers format, in a single file, or where a setting of its own says.

    Also what the folder says of its pipeline. Raises ModelError."""
    path = Path(settings.base).expanduser()
    if path.is_file():
        family, parts = _open_single(settings.base, path)
    else:
        if not path.is_dir():
            path = download(settings.base, PARTS, _list_given(settings))
        family = choose_family(settings.base, path)
        parts = list_parts(path, family)
    for part, name in family.settings.items():
        if given := getattr(settings, name):
            parts[part] = _find_given(settings.base, name, Path(given).expanduser(), parts.get(part))
    problems = []
    if missing := [part for part in family.recipes if part not in parts]:
        asked = ", ".join(f"model.{family.settings[part]} ({family.recipes[part].title})" for part in missing)
        problems.append(f"holds the transformer without {', '.join(missing)}; expected also {asked}")
    tokenizers = [part for part in family.configs if part.startswith("tokenizer")]
    if settings.tokenizers or any(part not in parts for part in tokenizers):
        try:
            folder = find_tokenizers(settings, family, tokenizers)
            parts |= {part: Part(folder / part) for part in tokenizers}
        except ModelError as error:
            problems += error.problems  # all that is missing is told at once
    if problems:
        raise ModelError(settings.base, problems)
    return family, parts, read_json(path / INDEX)


def find_transformer(settings: Model) -> tuple[type[Family], Part]:
    """The family, and the transformer alone, without a look at the other parts and without a download. Raises ModelError."""
    path = Path(settings.base).expanduser()
    if path.is_file():
        family, parts = _open_single(settings.base, path)
        part = parts["transformer"]
    else:
        if not path.is_dir():
            found = try_to_load_from_cache(settings.base, INDEX) if settings.base.count("/") == 1 else None
            if not isinstance(found, str):
                raise ModelError(settings.base, ["it is not on this machine yet"])
            path = Path(found).parent
        family = choose_family(settings.base, path)
        part = list_parts(path, family)["transformer"]
    if settings.transformer:
        part = _find_given(settings.base, "transformer", Path(settings.transformer).expanduser(), part)
    return family, part


def list_parts(folder: Path, family: type[Family]) -> dict[str, Part]:
    """The parts of a folder in diffusers format."""
    return {part: Part(folder / part) for part in family.configs}


def choose_family(name: str, path: Path) -> type[Family]:
    """By what model_index.json says. Raises ModelError."""
    known = {pipeline: family for family in FAMILIES for pipeline in family.pipelines}
    if not (path / INDEX).is_file():
        single = sorted(file.name for file in path.glob("*.safetensors"))
        got = f"got the single file {single[0]}" if single else "got a folder without it"
        cure = "; where a single file is meant, name the file itself" if single else ""
        problem = f"{INDEX} is missing: {got}, expected {TITLES} in diffusers format, one folder for each part{cure}"
        raise ModelError(name, [problem])
    kind = read_json(path / INDEX).get("_class_name")
    if kind not in known:
        choices = " or ".join(f"{pipeline} ({family.title})" for pipeline, family in known.items())
        raise ModelError(name, [f"{INDEX}: got the model class {kind}, expected {choices}"])
    return known[kind]


def find_tokenizers(settings: Model, family: type[Family], parts: Iterable[str]) -> Path:
    """The folder that holds the tokenizers: as set, or of a model that was downloaded before. Raises ModelError."""
    names = " and ".join(f"{part}/" for part in parts)
    if given := settings.tokenizers:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            return download(given, parts)
        if missing := [part for part in parts if not (folder / part / family.configs[part]).is_file()]:
            problem = f"model.tokenizers: got {folder} without {missing[0]}/{family.configs[missing[0]]}"
            raise ModelError(
                settings.base, [f"{problem}, expected a folder that holds {names}, as {family.sources[0]} has them"]
            )
        return folder
    first, *_ = parts
    for source in family.sources:
        found = try_to_load_from_cache(source, f"{first}/{family.configs[first]}")
        if isinstance(found, str):
            return Path(found).parent.parent
    cure = f"set model.tokenizers to a folder that holds {names}, or to {family.sources[0]}, of which only they are downloaded"
    raise ModelError(settings.base, [f"a single file has no tokenizer, and none was downloaded before: {cure}"])


def _open_single(name: str, file: Path) -> tuple[type[Family], dict[str, Part]]:
    """The family of a single file, and all parts that are in it. Raises ModelError."""
    try:
        weights = open_weights(file)
    except WeightsError as error:
        raise ModelError(name, [f"transformer: {error}"]) from error
    for family in FAMILIES:
        if has_part(weights, family.recipes["transformer"]):
            return family, {part: Part(None, file) for part, recipe in family.recipes.items() if has_part(weights, recipe)}
    raise ModelError(name, [f"got {describe(weights)}, expected the transformer of {TITLES}"])


def _find_given(base: str, name: str, path: Path, before: Part | None) -> Part:
    """A part that has a setting of its own: a folder, or a file that replaces the weights of the folder's."""
    if path.is_dir():
        return Part(path)
    if not path.is_file():
        raise ModelError(base, [f"model.{name}: got {path}, which is not there; expected a .safetensors file or a folder"])
    return Part(before.folder if before else None, path)


def _list_given(settings: Model) -> list[str]:
    """Parts whose weights need not be downloaded."""
    return [part for family in FAMILIES for part, name in family.settings.items() if getattr(settings, name)]
