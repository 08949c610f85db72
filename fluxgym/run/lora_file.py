"""Whether a LoRA file is whole: header and tensors of a .safetensors, checked without torch and without reading the tensors.

Layout: 8 bytes (length of the header, little endian), a JSON header of that length, then the tensors without gaps.
"""

import json
import math
from pathlib import Path
from typing import Any

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}  # of one number
BYTES |= {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
HEADER_LIMIT = 100_000_000  # bytes, as safetensors itself has it
PAIR = (".lora_A.weight", ".lora_B.weight")


def find_problem(path: Path) -> str:
    """What is wrong with a LoRA file of ours; empty when it is whole."""
    return _find_problem(path, is_lora=True)


def find_damage(path: Path) -> str:
    """What is broken in any .safetensors, whatever it holds; empty when it is whole."""
    return _find_problem(path, is_lora=False)


def _find_problem(path: Path, is_lora: bool) -> str:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(HEADER_LIMIT, size - 8):
                return f"the header is said to have {length} bytes, the file has {size}"
            header = json.loads(file.read(length))
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}
        return _find_gap(tensors, size - 8 - length) or (_find_widow(set(tensors)) if is_lora else "")
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"the header cannot be read: {error}"


def _find_gap(tensors: dict[str, Any], size: int) -> str:
    """Tensors must follow each other without gaps, each as long as its shape says, up to the end of the file."""
    if not tensors:
        return "it holds no tensor"
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        expected = math.prod(tensor["shape"]) * BYTES[tensor["dtype"]]
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
