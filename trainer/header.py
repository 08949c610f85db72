"""What a .safetensors file says of itself, and whether it is whole: its header against its length. Imports no torch.

The format: huggingface/safetensors, README, "Format"."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST_HEADER = 100_000_000  # bytes; the library takes no longer one
BYTES = "F64 8, F32 4, F16 2, BF16 2, F8_E4M3 1, F8_E5M2 1"  # of one number
BYTES += ", I64 8, I32 4, I16 2, I8 1, U64 8, U32 4, U16 2, U8 1, BOOL 1"
SIZES = {name: int(size) for name, size in map(str.split, BYTES.split(", "))}
STARTS = {  # what lies under the name of weights, by its first bytes: what it is, and what to do
    b"version https://git-lfs": "is a pointer of Git LFS instead of the weights; run: git lfs pull",
    b"GGUF": "is a GGUF file, expected .safetensors: take the model's bf16 or fp8 file instead",
    b"PK\x03\x04": "is a PyTorch pickle (.pt, .ckpt), expected .safetensors: pickles are not opened, as they can run programs",
}
PAGES = (b"<!doctype", b"<html", b"<?xml")


class WeightsError(ValueError):
    """Weights that cannot be used: the file, and what is wrong with it and to be done."""

    def __init__(self, file: Path, problem: str):
        super().__init__(f"{file}: {problem}")
        self.file, self.problem = file, problem


def read_header(file: Path) -> dict[str, Any]:
    """What a .safetensors file says of its tensors. Raises WeightsError when it is none, or not whole."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(512)
        if problem := next((said for mark, said in STARTS.items() if start.startswith(mark)), ""):
            raise WeightsError(file, problem)
        stream.seek(0)
        try:
            if start.lstrip().lower().startswith(PAGES):
                raise ValueError("it is a web page: was the licence accepted, and the link one to the file itself?")
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size, LONGEST_HEADER):
                raise ValueError(f"it begins with a length of {length}")
            header = dict(json.loads(stream.read(length)))
            header.pop("__metadata__", None)
            end = max(entry["data_offsets"][1] for entry in header.values())
            _check_entries(header)
            expected = 8 + length + int(end)
        except (struct.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            problem = f"got a file of {size} bytes that is no .safetensors ({error}), download it again"
            raise WeightsError(file, problem) from error
    if size != expected:
        raise WeightsError(file, f"got {size} bytes, expected {expected}: download it again")
    return {name: {**entry, "start": 8 + length + entry["data_offsets"][0]} for name, entry in header.items()}


def _check_entries(header: Mapping[str, Any]) -> None:
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        size = math.prod(entry["shape"]) * SIZES.get(entry["dtype"], 0)
        if entry["dtype"] in SIZES and (start < 0 or end - start != size):
            raise ValueError(f"{name} has {end - start} bytes, expected {size}")


def find_file_problem(file: Path) -> str:
    """What is wrong with a .safetensors file, and what to do; empty when nothing is. Reads its header alone."""
    try:
        read_header(file)
    except WeightsError as error:
        return error.problem
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


def list_files(folder: Path) -> list[Path]:
    """The files with the weights of one part in diffusers format: the shards that its index names, or the one that is whole."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        return sorted({folder / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
    plain = [folder / f"{name}.safetensors" for name in ("diffusion_pytorch_model", "model")]
    return next(([file] for file in plain if file.is_file()), sorted(folder.glob("*.safetensors"))[:1])
