"""Reads a LoRA's file in any of the forms there are, and says what is wrong with one that cannot be used.

Where the scale stands differs: in a tensor beside each pair (.alpha), in the header (lora_adapter_metadata of diffusers), in
peft's adapter_config.json beside the file, or nowhere, which means 1. Here it is folded into B."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainer.family import Family
from trainer.formats import Layers, Names, Pair, is_exact
from trainer.unusable import Unusable

HALVES = {"lora_A": "a", "lora_down": "a", "lora.down": "a", "lora_linear_layer.down": "a"}
HALVES |= {"lora_B": "b", "lora_up": "b", "lora.up": "b", "lora_linear_layer.up": "b"}
KEY = re.compile(rf"(.+?)\.(?:({'|'.join(map(re.escape, HALVES))})(?:\.(?!bias$)\w+)?(?:\.weight)?|(alpha))")
XLABS = re.compile(r"(?<=_lora|lora\d)\.(?=(down|up)\.weight$)")  # whose halves are told from a model's by this alone
PREFIXES = ("base_model.model.", "model.", "diffusion_model.", "transformer.", "lora_unet_", "lora_transformer_")
TEXT = re.compile(r"(base_model\.model\.)?(lora_te\d*_|te\d?\.|text_encoders?(_\d)?[._])")
FLOATS = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
STRANGERS = {  # what a key tells of a file, and what to do
    r"(?:^|[._])(down_blocks|up_blocks|mid_block|input_blocks|middle_block|output_blocks)[._]": (
        "it is for Stable Diffusion 1.5 or SDXL",
        "a LoRA works on the model alone that it was trained on",
    ),
    r"\.(lokr_|hada_|oft_|diff$|diff_b$|glora_)": (
        "it is a LyCORIS file (LoKr, LoHa and the like)",
        "train or save it as a plain LoRA",
    ),
    r"dora_scale|lora_magnitude_vector": ("it is a DoRA", "train or save it as a plain LoRA"),
    r"\.lora_[AB](\.\w+)?\.bias$|\.lora_B_bias$": ("its pairs have biases, which no other tool reads", "train it without"),
}
Config = dict[str, Any]


class LoraError(Unusable):
    """A LoRA's file that cannot be used. `problems` holds one sentence each."""

    def __init__(self, path: Path, problems: Sequence[str]):
        super().__init__(f"{path} cannot be used as a LoRA", problems)
        self.path = path


@dataclass(frozen=True)
class LoraFile:
    """What a file holds."""

    family: type[Family]
    layers: Layers
    left_out: list[str]  # modules of text encoders, which are not trained here
    is_rounded: bool  # with a scale folded into it B does not fit its type any more, and stands in fp32
    dtype: torch.dtype  # of its numbers in the file
    metadata: dict[str, str]


@dataclass
class _Raw:
    """The halves of one module as they stand in the file."""

    halves: dict[str, Tensor] = field(default_factory=dict)
    alpha: float | None = None


def read_lora(path: Path, families: Sequence[type[Family]]) -> LoraFile:
    """Raises LoraError."""
    tensors, metadata = _load(path)
    raw, strange, left_out = _sort(tensors)
    if problem := _find_stranger(tensors, is_lora=bool(raw or left_out)):
        raise LoraError(path, [problem])
    if strange:
        raise LoraError(path, [f"{len(strange)} of {len(tensors)} names are none of a LoRA's, such as {strange[0]}"])
    if not raw:
        raise LoraError(path, ["it holds text encoders alone, which are not trained here"])
    config = _read_config(path, metadata)
    pairs, dtypes, is_rounded = {}, [], False
    for module, found in raw.items():
        pair = _check_pair(path, module, found)
        factor = _find_factor(_strip(module), pair.rank, found.alpha, config)
        is_rounded = is_rounded or (factor != 1 and not is_exact(factor, pair.b.dtype))
        pairs[module] = pair.scale(factor)
        dtypes.append(pair.b.dtype)
    family, layers = _place(path, pairs, families)
    return LoraFile(family, layers, left_out, is_rounded, dtypes[0], metadata)


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise LoraError(path, ["there is no such file"])
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118  no dict
    except (OSError, SafetensorError) as error:
        size, name = path.stat().st_size, path.suffix
        cure = "it is not whole: download or copy it again" if name == ".safetensors" else "expected a .safetensors"
        raise LoraError(path, [f"got a file of {size:,} bytes that cannot be read ({error}); {cure}"]) from error


def _sort(tensors: dict[str, Tensor]) -> tuple[dict[str, _Raw], list[str], list[str]]:
    """The transformer's modules, the names that are none of a LoRA's, and the modules of text encoders."""
    raw: dict[str, _Raw] = {}
    strange, left_out = [], {}
    for key, tensor in tensors.items():
        match = KEY.fullmatch(XLABS.sub(".lora.", key))
        if match and TEXT.match(key):
            left_out[match[1]] = True
        elif match is None or (match[3] and tensor.numel() != 1):
            strange.append(key)
        elif match[3]:
            raw.setdefault(match[1], _Raw()).alpha = float(tensor)
        else:
            raw.setdefault(match[1], _Raw()).halves[HALVES[match[2]]] = tensor
    whole = {module: found for module, found in raw.items() if found.halves}  # some files have an alpha too many
    return whole, strange, list(left_out)


def _find_stranger(tensors: dict[str, Tensor], is_lora: bool) -> str:
    """What else the file is, where it is well known."""
    for pattern, (kind, cure) in STRANGERS.items():
        if found := next((key for key in tensors if re.search(pattern, key)), None):
            return f"{kind}: it has {found}; {cure}"
    if is_lora or not tensors:
        return "" if tensors else "it is empty"
    numbers, first = sum(tensor.numel() for tensor in tensors.values()), next(iter(tensors))
    return (
        f"it is a model and no LoRA: {len(tensors)} tensors with {numbers:,} numbers, none of them lora_A or lora_down, "
        f"the first {first}; set it as model.base, or choose the LoRA's file"
    )


def _check_pair(path: Path, module: str, raw: _Raw) -> Pair:
    a, b = raw.halves.get("a"), raw.halves.get("b")
    if a is None or b is None:
        half = "lora_A (lora_down)" if a is None else "lora_B (lora_up)"
        raise LoraError(path, [f"{module}: {half} is missing; it is not whole, download or copy it again"])
    if a.dim() != 2 or b.dim() != 2 or len(a) != b.shape[1]:
        raise LoraError(path, [f"{module}: got shapes {tuple(a.shape)} and {tuple(b.shape)}, expected (r, n) and (m, r)"])
    if a.dtype not in FLOATS or b.dtype not in FLOATS:
        raise LoraError(path, [f"{module}: got numbers of type {a.dtype}, expected bf16, fp16 or fp32"])
    if not (a.isfinite().all() and b.isfinite().all()):
        raise LoraError(path, [f"{module}: it has numbers that are not finite; its training broke, take an earlier file"])
    return Pair(a, b)


# ---- the scale -------------------------------------------------------------------------------------------------------
def _read_config(path: Path, metadata: dict[str, str]) -> Config:
    """What peft's LoraConfig says, in the header or beside the file; empty where there is none."""
    beside = path.with_name("adapter_config.json")
    try:
        if said := metadata.get("lora_adapter_metadata"):
            packed = json.loads(said)
            return {key.removeprefix("transformer."): value for key, value in packed.items()}
        return json.loads(beside.read_text(encoding="utf-8")) if path.name == "adapter_model.safetensors" else {}
    except (OSError, ValueError, AttributeError) as error:
        raise LoraError(path, [f"its alpha cannot be read: lora_adapter_metadata or {beside.name}: {error}"]) from error


def _find_factor(module: str, rank: int, alpha: float | None, config: Config) -> float:
    """By which B A is multiplied: alpha / rank. peft, src/peft/tuners/lora/layer.py, update_layer."""
    if alpha is None:
        alpha = _look_up(config.get("alpha_pattern"), module, config.get("lora_alpha"))
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return alpha / rank


def _look_up(patterns: dict[str, float] | None, module: str, usual: float | None) -> float | None:
    """peft: a pattern is the end of a name, or a regular expression for it."""
    matching = (value for end, value in (patterns or {}).items() if re.match(rf"(.*\.)?({end})$", module))
    return next(matching, usual)


# ---- the names -------------------------------------------------------------------------------------------------------
def _strip(module: str) -> str:
    """Without what stands before the model's own names; old files have several of them."""
    while prefix := next((prefix for prefix in PREFIXES if module.startswith(prefix)), ""):
        module = module.removeprefix(prefix)
    return module


def _place(path: Path, pairs: Layers, families: Sequence[type[Family]]) -> tuple[type[Family], Layers]:
    """The first family that has all the modules, in the shapes that they are in; its names for them."""
    complaints = []
    for family in families:
        layers, problems = _place_in(family, pairs)
        if not problems:
            return family, layers
        complaints.append(
            (len(problems), f"as one for {family.title}: {problems[0]} ({len(problems)} of {len(pairs)} modules)")
        )
    titles = " or ".join(family.title for family in families)
    tried = [complaint for _, complaint in sorted(complaints)]
    raise LoraError(path, [f"it is for another model: expected a LoRA for {titles}", *tried])


def _place_in(family: type[Family], pairs: Layers) -> tuple[Layers, list[str]]:
    names, layers, problems = Names(family.keys, family.lora_keys), Layers(), []
    for module, pair in pairs.items():
        try:
            placed = names.place(_strip(module), pair)
        except ValueError as error:
            problems.append(str(error))
            continue
        if placed is None:
            problems.append(f"there is no module {module}")
        elif twice := placed.keys() & layers.keys():
            problems.append(f"{min(twice)} is there twice")
        else:
            layers |= placed
    return layers, problems
