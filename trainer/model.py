"""A base model's parts: downloaded, checked and named after their content; families.py says where each lies.

They are loaded one at a time, so that not everything is in memory at once: first the text encoders, which encode captions
and prompts and leave; then the VAE; then the transformer (see family.py)."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils.logging import disable_progress_bar as quiet_diffusers
from transformers.utils.logging import disable_progress_bar as quiet_transformers

from trainer.anatomy import INDEX, UNUSED, find_folder_problems
from trainer.config import Model
from trainer.header import WeightsError, find_file_problem
from trainer.parts import Part, find_config, open_part
from trainer.report import make_download_bar, say
from trainer.unusable import Unusable

if TYPE_CHECKING:
    from trainer.family import Family

quiet_diffusers()  # their bars are no lines; there is no setting in the environment for them
quiet_transformers()

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
WHOLE = 2**29  # bytes up to which a file is hashed whole: FLUX.1's VAE and CLIP; T5 and the transformer take minutes


class ModelError(Unusable):
    """A base model that cannot be used. `base` is the setting, `problems` one sentence each, with the file and what to do."""

    def __init__(self, base: str, problems: list[str]):
        super().__init__(f"the base model {base} cannot be used", problems)
        self.base = base


@dataclass(frozen=True)
class Base:
    """Where a model's parts lie, and how it is to be used."""

    name: str  # as in the settings
    parts: Mapping[str, Part]
    device: torch.device
    dtype: torch.dtype
    max_sequence_length: int
    is_guided: bool  # takes a guidance value, as FLUX.1-dev does and FLUX.1-schnell does not
    options: Mapping[str, Any] = field(default_factory=dict)  # of its pipeline: model_index.json, where there is one

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
    """Raises ModelError when bf16 is asked for and the GPU has none. PyTorch would make it up, very slowly."""
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.dtype == "bf16" and device.type == "cuda" and not has_bf16:
        got = ".".join(map(str, torch.cuda.get_device_capability(device)))
        problem = f"model.dtype: got bf16 on a GPU of compute capability {got}, which has none; expected 8.0 or newer (RTX 30"
        cure = 'series, A100), or model.dtype = "fp32" with model.quantise = "int8" or "nf4", so that it fits'
        raise ModelError(settings.base, [f"{problem} {cure}"])
    if settings.dtype != "auto":
        return DTYPES[settings.dtype]
    return torch.bfloat16 if has_bf16 else torch.float32


# ---- checking --------------------------------------------------------------------------------------------------------
def find_problems(parts: Mapping[str, Part], family: type["Family"]) -> list[str]:
    """What is wrong with the parts of a model, one sentence each; empty when nothing is. Of the weights, headers are read."""
    problems = []
    for name, part in parts.items():
        if part.folder:
            is_weighed = not part.file and name in family.recipes
            found = find_folder_problems(part.folder, family.configs[name], is_weighed)
            problems += [f"{name}/{problem}" for problem in found]
        if part.file and (problem := find_file_problem(part.file)):
            problems.append(f"{name}: {part.file}: {problem}")
    return problems or _find_misfits(parts, family)


def _find_misfits(parts: Mapping[str, Part], family: type["Family"]) -> list[str]:
    """What does not fit in parts that are each in order: weights that are another model's."""
    problems, configs = [], {}
    for name, recipe in family.recipes.items():
        try:
            configs[name] = find_config(parts[name], recipe)
            open_part(parts[name], recipe)
        except WeightsError as error:
            problems.append(f"{name}: {error}")
    shapes = family.find_shape_problems(configs) if len(configs) == len(family.recipes) else []
    files = ", ".join(str(part.file) for part in parts.values() if part.file)
    return [f"{problem}; looked at {files}" if files else problem for problem in shapes] or problems


def download(name: str, parts: Iterable[str], weightless: Iterable[str] = ()) -> Path:
    """The folder of a model on the Hub, downloaded where it is not there yet; of some parts without their weights."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        expected = "expected one, a .safetensors file, or a name on the Hub such as owner/model"
        raise ModelError(name, [f"there is no such folder; {expected}"])
    say(f"Downloading {name}: what of it is not on this machine yet")
    patterns = [INDEX, *(f"{part}/*" for part in parts)]
    try:
        ignored, bar = list(UNUSED), make_download_bar(name)
        ignored += [f"{part}/*.safetensors*" for part in weightless]
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=ignored, tqdm_class=bar))
    except GatedRepoError as error:
        page = f"https://huggingface.co/{name}"
        raise ModelError(name, [f"its licence is not accepted: accept it at {page}, then run: hf auth login"]) from error
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        problem = f"got neither a folder of that name nor the model from the Hub, expected one of them ({reason})"
        raise ModelError(name, [problem]) from error


def fingerprint(part: Part) -> str:
    """Names the content of one part of a model: its files' names, sizes and bytes. Of a single file, the name says nothing.

    Of a file over 512 MiB 64 pieces of 1 MiB are read, evenly spread from its first to its last byte. Another training,
    merge or number format changes them; two files of one size that differ only between them pass for the same."""
    digest, folder = hashlib.sha256(), part.folder
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder else []
    if part.file:
        files = [path for path in files if path.suffix == ".json"] + [part.file]
    for file in files:
        size = file.stat().st_size
        digest.update(f"{'' if file == part.file else file.name} {size}\n".encode())
        with file.open("rb") as stream:
            if size <= WHOLE:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
                continue
            for piece in range(64):
                stream.seek((size - 2**20) * piece // 63)
                digest.update(stream.read(2**20))
    return digest.hexdigest()


# ---- loading ---------------------------------------------------------------------------------------------------------
@contextmanager
def loading(base: Base, part: str) -> Iterator[None]:
    """Errors about files that were changed since they were checked become ours, with the file in them."""
    try:
        yield
    except WeightsError as error:
        raise ModelError(base.name, [f"{part}: {error}"]) from error
    except (OSError, ValueError, KeyError) as error:
        problem = f"{part}: cannot be loaded from {base.parts[part].path}: {str(error)[:500]}; download it again"
        raise ModelError(base.name, [problem]) from error


def has_room(device: torch.device, needed: float) -> bool:
    """Whether so many bytes are free on a GPU; a CPU has whatever the machine has."""
    return device.type != "cuda" or needed <= torch.cuda.mem_get_info(device)[0]


def free(device: torch.device) -> None:
    import gc

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
