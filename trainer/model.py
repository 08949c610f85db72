"""A base model's folder in diffusers format: found, downloaded, checked and named after its content.

Its parts are loaded one at a time, so that not everything is in memory at once: first the text encoders, which encode captions
and prompts and leave; then the VAE; then the transformer (see family.py)."""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils.logging import disable_progress_bar as quiet_diffusers
from transformers.utils.logging import disable_progress_bar as quiet_transformers

from trainer.config import Model
from trainer.report import make_download_bar, say

if TYPE_CHECKING:
    from trainer.family import Family

quiet_diffusers()  # their bars are no lines; there is no setting in the environment for them
quiet_transformers()

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
LFS_POINTER = b"version https://git-lfs"
LONGEST_HEADER = 100_000_000  # bytes; the library takes no longer one
WHOLE = 2**29  # bytes up to which a file is hashed whole: FLUX.1's VAE and CLIP; T5 and the transformer take minutes


class ModelError(ValueError):
    """A base model that cannot be used. `base` is the setting, `problems` one sentence each, with the file and what to do."""

    def __init__(self, base: str, problems: list[str]):
        super().__init__(f"the base model {base} cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.base, self.problems = base, problems


@dataclass(frozen=True)
class Base:
    """A model's folder and how it is to be used."""

    name: str  # as in the settings
    path: Path
    device: torch.device
    dtype: torch.dtype
    max_sequence_length: int
    is_guided: bool  # takes a guidance value, as FLUX.1-dev does and FLUX.1-schnell does not

    @property
    def dtype_name(self) -> str:
        return next(name for name, dtype in DTYPES.items() if dtype == self.dtype)


def choose_device(settings: Model) -> torch.device:
    """Raises ModelError when a GPU is asked for and there is none."""
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise ModelError(settings.base, ["model.device: got cuda, but there is no usable GPU here; expected cpu or auto"])
    return torch.device("cuda" if there and settings.device != "cpu" else "cpu")


def choose_dtype(settings: Model, device: torch.device) -> torch.dtype:
    if settings.dtype != "auto":
        return DTYPES[settings.dtype]
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


# ---- checking --------------------------------------------------------------------------------------------------------
def find_problems(path: Path, family: type["Family"]) -> list[str]:
    """What is missing from or wrong with the folder of a model, one sentence each; empty when nothing is."""
    problems = [
        f"{part}/{problem}" for part, file in family.configs.items() for problem in _find_config_problems(path / part, file)
    ]
    for part in family.weights:
        problems += [f"{part}/{problem}" for problem in _find_weight_problems(path / part)]
    configs = {part: read_json(path / part / file) for part, file in family.configs.items()}
    return problems or family.find_shape_problems(configs)


def _find_config_problems(part: Path, config: str) -> Iterator[str]:
    if not (part / config).is_file():
        yield f"{config} is missing: the folder is not whole, download it again"
    for file in sorted(part.glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            yield f"{file.name}: got a file of {file.stat().st_size} bytes that is no JSON ({error}), download it again"


def _find_weight_problems(part: Path) -> Iterator[str]:
    files = {file.name for file in part.glob("*.safetensors")}
    for index in part.glob("*.safetensors.index.json"):
        files |= set(read_json(index).get("weight_map", {}).values())
    if not files:
        yield "*.safetensors is missing: the weights are not there, download them again"
    for name in sorted(files):
        if not (part / name).is_file():
            yield f"{name} is missing: the folder is not whole, download it again"
        elif problem := _find_file_problem(part / name):
            yield f"{name}: {problem}"


def _find_file_problem(file: Path) -> str:
    """Compares the size of a .safetensors with what its header promises, which finds interrupted downloads at once."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(len(LFS_POINTER))
        if start == LFS_POINTER:
            return "is a pointer of Git LFS instead of the weights; run: git lfs pull"
        stream.seek(0)
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size, LONGEST_HEADER):
                raise ValueError(f"it begins with a length of {length}")
            header = json.loads(stream.read(length))
            end = max(entry["data_offsets"][1] for name, entry in dict(header).items() if name != "__metadata__")
            expected = 8 + length + int(end)
        except (struct.error, ValueError, LookupError, TypeError, RecursionError) as error:
            return f"got a file of {size} bytes that is no .safetensors ({error}), download it again"
    return "" if size == expected else f"got {size} bytes, expected {expected}: download it again"


def read_json(file: Path) -> dict[str, Any]:
    """Empty where there is no readable object: what is missing is then reported by name."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def download(name: str, parts: Iterable[str]) -> Path:
    """The folder of a model on the Hub, downloaded where it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(name, ["there is no such folder; expected one, or a name on the Hub such as owner/model"])
    say(f"Downloading {name}: what of it is not on this machine yet")
    patterns = ["model_index.json", *(f"{part}/*" for part in parts)]
    try:
        ignored, bar = ["*.bin", "*.msgpack", "*.h5"], make_download_bar(name)
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=ignored, tqdm_class=bar))
    except GatedRepoError as error:
        page = f"https://huggingface.co/{name}"
        raise ModelError(name, [f"its licence is not accepted: accept it at {page}, then run: hf auth login"]) from error
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        problem = f"got neither a folder of that name nor the model from the Hub, expected one of them ({reason})"
        raise ModelError(name, [problem]) from error


def fingerprint(part: Path) -> str:
    """Names the content of one part of a model: its files' names, sizes and bytes.

    Of a file over 512 MiB 64 pieces of 1 MiB are read, evenly spread from its first to its last byte. Another training,
    merge or number format changes them; two files of one size that differ only between them pass for the same."""
    digest = hashlib.sha256()
    for file in sorted(path for path in part.iterdir() if path.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            if size <= WHOLE:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
                continue
            for piece in range(64):
                stream.seek((size - 2**20) * piece // 63)
                digest.update(stream.read(2**20))
    return digest.hexdigest()


# ---- loading ---------------------------------------------------------------------------------------------------------
def load_part(kind: Any, base: Base, part: str, dtype: torch.dtype) -> Any:
    """One part of the model. Weights that are not in the file would be made up by diffusers without an error."""
    model, info = kind.from_pretrained(base.path, subfolder=part, dtype=dtype, output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} weights are not in its files, such as {missing[0]}")
    return model


@contextmanager
def loading(base: Base, part: str) -> Iterator[None]:
    """Errors of the libraries about damaged files become ours, with the folder in them."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        problem = f"{part}: cannot be loaded from {base.path / part}: {str(error)[:500]}; download it again"
        raise ModelError(base.name, [problem]) from error


def free(device: torch.device) -> None:
    import gc

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
