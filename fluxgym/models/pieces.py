"""Single files such as ComfyUI has them: which part of which model each is, told by its header alone."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fluxgym.run.base_model import WEIGHTS
from fluxgym.run.folders import is_text
from trainer.anatomy import ANATOMIES, CLIP_MARKS, FLUX1, FLUX2_KLEIN, INDEX, QWEN_MARKS, T5_MARKS, VAE_MARKS, find_prefix
from trainer.header import WeightsError, read_header

SKIPPED = {"loras", "lora", "embeddings", "controlnet", "upscale_models", "clip_vision", "ipadapter", "output", "outputs"}
DEEPEST, MOST = 5, 20_000  # folders below the one that was named, and entries that are looked at
VAES = {16: FLUX1.title, 32: FLUX2_KLEIN.title}  # by the channels of its latents
OTHER_CLIPS = (1024, 1280)  # widths of CLIP-H and CLIP-G, which FLUX.1 does not have


@dataclass(frozen=True)
class Piece:
    """A file that is a part of a base model."""

    path: Path
    setting: str  # of [model] that it can be: transformer, vae, clip, t5, qwen
    family: str
    held: tuple[str, ...]  # settings of all parts in it: a file may hold several
    size: int
    problem: str = ""  # why it cannot be used


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Folders below a root with the names of their folders and files; those that hold no base models are left out.

    Links are followed, as people keep models on other disks, but into no folder twice."""
    seen: set[tuple[int, int]] = set()
    left = MOST
    for place, folders, files in os.walk(root, followlinks=True):
        path = Path(place)
        there = path.stat()
        depth = len(path.relative_to(root).parts)
        left -= len(files) + len(folders)
        if (there.st_dev, there.st_ino) in seen or left < 0:
            folders.clear()
            continue
        seen.add((there.st_dev, there.st_ino))
        is_end = depth >= DEEPEST or INDEX in files
        folders[:] = [] if is_end else sorted(filter(_may_hold, folders))
        yield path, folders, files


def _may_hold(folder: str) -> bool:
    return folder.lower() not in SKIPPED and not folder.startswith(".") and is_text(folder)


def list_pieces(root: Path) -> list[Piece]:
    """The parts of base models in a folder, or the one that a file is; other files are not told of."""
    if root.is_file():
        files = [root]
    else:
        files = [path / name for path, _, names in walk(root) if INDEX not in names for name in sorted(filter(is_text, names))]
    found = (read_piece(file) for file in files if file.suffix.lower() in WEIGHTS)
    return [piece for piece in found if piece]


def read_piece(file: Path) -> Piece | None:
    """What a file is; None where it is no part of a base model. Read again only when it has changed."""
    try:
        there = file.stat()
    except OSError:
        return None
    return _read_piece(file, there.st_mtime_ns, there.st_size)


@lru_cache(maxsize=5000)
def _read_piece(file: Path, _modified: int, size: int) -> Piece | None:
    try:
        names = read_header(file)
    except WeightsError as error:
        return Piece(file, "transformer", "", (), size, error.problem) if _is_named_like_one(file) else None
    except OSError:
        return None
    for anatomy in ANATOMIES:
        held = [part for part, marks in anatomy.marks.items() if find_prefix(names, marks) is not None]
        if "transformer" in held:
            return Piece(file, "transformer", anatomy.title, tuple(anatomy.settings[part] for part in held), size)
    setting, family = _find_part(names)
    return Piece(file, setting, family, (setting,), size) if setting else None


def _find_part(names: Mapping[str, Any]) -> tuple[str, str]:
    """The setting that a text encoder or a VAE can be, and its family; empty for anything else."""
    if (shape := _find_shape(names, VAE_MARKS[0])) and shape[1] in VAES:
        return "vae", VAES[shape[1]]
    if (shape := _find_shape(names, CLIP_MARKS[0])) and shape[1] not in OTHER_CLIPS:
        return "clip", FLUX1.title
    if _find_shape(names, T5_MARKS[0]) and not _find_shape(names, T5_MARKS[0].replace("block.0.", "block.1.")):  # UMT5 has it
        return "t5", FLUX1.title
    return ("qwen", FLUX2_KLEIN.title) if _find_shape(names, QWEN_MARKS[0]) else ("", "")


def _find_shape(names: Mapping[str, Any], mark: str) -> list[int] | None:
    prefix = find_prefix(names, (mark,))
    return None if prefix is None else names[prefix + mark]["shape"]


def _is_named_like_one(file: Path) -> bool:
    """Whether a file that cannot be read was to be a FLUX model: then it is told of, with what is wrong with it."""
    return "flux" in file.name.lower()
