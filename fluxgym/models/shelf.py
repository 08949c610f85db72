"""Which base models are on this machine: in the Hub's cache, in models/, and in the places that a person has added.

Added places are folders or files, ComfyUI's among them; they are kept in outputs/.models.json and only ever read."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.models.known import find_known
from fluxgym.models.pieces import Piece, list_pieces, walk
from fluxgym.models.verify import find_folder_faults, has_tokenizers
from fluxgym.run.base_model import WEIGHTS, find_kind, find_model_folder, find_place, hub_cache
from fluxgym.run.folders import PROJECT, outputs_root, shown_path
from trainer.anatomy import ANATOMIES, INDEX, find_anatomy
from trainer.disk import write_whole

VERSION = 1
HUB, FOLDER, FILE = "from the Hub", "a folder", "a single file"
HUB_FOLDER = "models--"


@dataclass(frozen=True)
class Shelved:
    """A base model that is here, or some of it."""

    base: str  # config.toml's model.base
    title: str
    family: str
    kind: str  # HUB, FOLDER, FILE
    size: int  # bytes, of all parts
    problems: tuple[str, ...] = ()
    parts: dict[str, str] = field(default_factory=dict)  # settings of [model] that go with a single file


def models_root() -> Path:
    """models/ in the project: where people put models for FluxGym."""
    return PROJECT / "models"


# ---- places ----------------------------------------------------------------------------------------------------------
def list_places() -> list[Path]:
    """The folders and files that a person has added, also those that are gone."""
    try:
        said = json.loads(_memo().read_bytes())["places"]
        return [Path(path) for path in said if isinstance(path, str)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def add_place(text: str) -> Path:
    """Adds a folder or a file of weights. Raises ValueError, OSError."""
    text = text.strip()
    if not text or "\0" in text:
        raise ValueError("got no path, expected a folder with models or a .safetensors file on this machine")
    path = Path(os.path.normpath(find_place(text)))
    if not find_kind(text):
        raise ValueError(f"got {path}, which is not there; expected a folder with models or a .safetensors file")
    if path.is_file() and path.suffix.lower() not in WEIGHTS:
        raise ValueError(f"got the file {path}, expected a folder with models or a .safetensors file")
    if path == path.parent:
        raise ValueError("got the root of all disks, expected the folder in which the models are")
    _write([*(place for place in list_places() if place != path), path])
    return path


def remove_place(path: Path) -> None:
    """Looks there no more. Nothing in it is touched. Raises OSError."""
    _write(place for place in list_places() if place != path)


def _memo() -> Path:
    return outputs_root() / ".models.json"


def _write(places: Iterable[Path]) -> None:
    outputs_root().mkdir(parents=True, exist_ok=True)
    said = {"version": VERSION, "places": [str(place) for place in places]}
    write_whole(_memo(), json.dumps(said, indent=1).encode())


# ---- models ----------------------------------------------------------------------------------------------------------
def list_models() -> list[Shelved]:
    """Every base model that is here: those of the Hub, those of models/, those of added places."""
    roots = (models_root(), *list_places())
    pieces = [piece for root in roots if root.exists() for piece in list_pieces(root)]
    found = _list_cached() + [model for root in roots for model in _list_below(root)]
    found += [_assemble(piece, pieces) for piece in pieces if piece.setting == "transformer"]
    return list({each.base: each for each in found}.values())


def count_pieces(place: Path) -> Counter[str]:
    """How many files of each kind a place holds: transformer, vae, clip, t5, qwen; folders in diffusers format as models."""
    counted = Counter(piece.setting for piece in list_pieces(place))
    if folders := _list_folders(place):
        counted["model"] = len(folders)
    return counted


def _list_cached() -> list[Shelved]:
    """What the Hub's library has downloaded; what is under way has no snapshot with a name yet."""
    try:
        kept = sorted(path.name for path in hub_cache().iterdir() if path.name.startswith(HUB_FOLDER))
    except OSError:
        return []
    found = []
    for name in kept:
        base = name.removeprefix(HUB_FOLDER).replace("--", "/", 1)
        folder = find_model_folder(base)
        if folder and (anatomy := find_anatomy(folder)):
            known = find_known(base)
            title, problems = known.label if known else base, _find_faults(folder)
            found.append(Shelved(known.base if known else base, title, anatomy.title, HUB, _weigh(folder), problems))
    return found


def _list_below(root: Path) -> list[Shelved]:
    """Folders in diffusers format."""
    found = []
    for folder in _list_folders(root):
        anatomy, problems = find_anatomy(folder), _find_faults(folder)
        if anatomy:
            found.append(Shelved(_say(folder), folder.name, anatomy.title, FOLDER, _weigh(folder), problems))
    return found


def _find_faults(folder: Path) -> tuple[str, ...]:
    """Without the folder, of which everybody knows here."""
    return tuple(fault.removeprefix(f"{folder}/") for fault in find_folder_faults(folder))


def _list_folders(root: Path) -> list[Path]:
    """The folders in diffusers format."""
    return [path for path, _, names in walk(root) if INDEX in names] if root.is_dir() else []


def _assemble(transformer: Piece, pieces: list[Piece]) -> Shelved:
    """A single file with the parts that it lacks; of several that fit the largest, which is the most exact one."""
    if transformer.problem:
        return _describe(transformer, [transformer.problem], {})
    anatomy = next(each for each in ANATOMIES if each.title == transformer.family)
    parts, missing, size = {}, [], 0
    for setting in anatomy.settings.values():
        if setting in transformer.held:
            continue
        fitting = [each for each in pieces if each.setting == setting and each.family == anatomy.title]
        if fitting:
            best = max(fitting, key=lambda each: each.size)
            parts[setting], size = _say(best.path), size + best.size
        else:
            missing.append(setting)
    if not has_tokenizers(anatomy):
        parts["tokenizers"] = anatomy.sources[0]  # of which only they are downloaded
    problems = [f"there is no {', no '.join(missing)} for it: add the folder that has it"] if missing else []
    return _describe(transformer, problems, parts, size)


def _describe(piece: Piece, problems: list[str], parts: dict[str, str], more: int = 0) -> Shelved:
    family = piece.family or "-"
    return Shelved(_say(piece.path), piece.path.name, family, FILE, piece.size + more, tuple(problems), parts)


def _say(path: Path) -> str:
    """As config.toml has it: from the project where it is inside."""
    return shown_path(path)


def _weigh(folder: Path) -> int:
    anatomy = find_anatomy(folder)
    files = (file for part in (anatomy.configs if anatomy else ()) for file in (folder / part).glob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())
