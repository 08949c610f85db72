"""What a LoRA file says of itself, and whether it is whole: the header of a .safetensors, read without torch.

Layout: 8 bytes (length of the header, little endian), a JSON header of that length, then the tensors without gaps.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.header import LONGEST_HEADER, SIZES

PAIR = (".lora_A.weight", ".lora_B.weight")
DOWN = (PAIR[0], ".lora_down.weight", ".lora.down.weight")  # the half whose first dimension is the rank
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


class NoHeader(ValueError):
    """The file does not begin as a .safetensors does."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself. None and empty are what it does not say, or cannot be read."""

    metadata: dict[str, str] = field(default_factory=dict)
    tensors: int = 0
    parameters: int = 0
    rank: int | None = None
    dtype: str = ""  # BF16; of most of its numbers where there are several
    problem: str = ""  # why it is not whole


def read_header(path: Path) -> Header:
    """The header of a file, read again only when the file has changed."""
    try:
        there = path.stat()
    except OSError as error:
        return Header(problem=error.strerror or str(error))
    return _read_header(path, there.st_mtime_ns, there.st_size)


@lru_cache(maxsize=512)
def _read_header(path: Path, _modified: int, _size: int) -> Header:
    try:
        header, size = _load(path)
        tensors, problem = _tensors_of(header), _find_gap(_tensors_of(header), size)
        metadata = {_text(key): _text(value) for key, value in header.get("__metadata__", {}).items()}
        numbers: Counter[str] = Counter()
        for tensor in tensors.values():
            numbers[tensor["dtype"]] += math.prod(tensor["shape"])
        dtype = numbers.most_common(1)[0][0] if numbers else ""
        return Header(metadata, len(tensors), numbers.total(), _find_rank(tensors, metadata), dtype, problem)
    except UNREADABLE as error:
        return Header(problem=_tell(error))


def _find_rank(tensors: dict[str, Any], metadata: dict[str, str]) -> int | None:
    """Of the first pair; else what the metadata say."""
    for name, tensor in tensors.items():
        if name.endswith(DOWN) and tensor["shape"]:
            return int(tensor["shape"][0])
    said = metadata.get("ss_network_dim", "")
    return int(said) if said.isdecimal() else None


def find_problem(path: Path) -> str:
    """What is wrong with a LoRA file of ours; empty when it is whole."""
    return _find_problem(path, is_lora=True)


def find_damage(path: Path) -> str:
    """What is broken in any .safetensors, whatever it holds; empty when it is whole."""
    return _find_problem(path, is_lora=False)


def _find_problem(path: Path, is_lora: bool) -> str:
    try:
        header, size = _load(path)
        tensors = _tensors_of(header)
        return _find_gap(tensors, size) or (_find_widow(set(tensors)) if is_lora else "")
    except UNREADABLE as error:
        return _tell(error)


def _load(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes the tensors take behind it. Raises one of UNREADABLE."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise NoHeader(f"the header is said to have {length} bytes, the file has {size}")
        return json.loads(file.read(length)), size - 8 - length


def _tensors_of(header: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key != "__metadata__"}


def _text(said: object) -> str:
    """Without halves of letters, which JSON can hold and nobody can send."""
    return str(said).encode("utf-8", "replace").decode()


def _tell(error: Exception) -> str:
    if isinstance(error, NoHeader):
        return str(error)
    return (error.strerror or str(error)) if isinstance(error, OSError) else f"the header cannot be read: {error}"


def _find_gap(tensors: dict[str, Any], size: int) -> str:
    """Tensors must follow each other without gaps, each as long as its shape says, up to the end of the file."""
    if not tensors:
        return "it holds no tensor"
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        expected = math.prod(tensor["shape"]) * SIZES[tensor["dtype"]]
        if begin != place or end - begin != expected:
            return f"{name} lies at {begin} to {end}, expected {place} to {place + expected}"
        place = end
    return "" if place == size else f"its tensors have {size} bytes, expected {place}"


def _find_widow(names: set[str]) -> str:
    """Every lora_A needs its lora_B and the other way round; anything else is no part of a LoRA of ours."""
    for name in sorted(names):
        ending = next((ending for ending in PAIR if name.endswith(ending)), None)
        if ending is None:
            return f"{name} is no part of a LoRA, expected names ending in {' or '.join(PAIR)}"
        partner = name.removesuffix(ending) + PAIR[1 - PAIR.index(ending)]
        if partner not in names:
            return f"{name} is there, {partner} is not"
    return ""
