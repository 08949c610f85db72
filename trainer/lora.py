"""The LoRA: which layers it is on, its first weights, and the file that every tool loads.

The file has diffusers' names behind `transformer.`, `lora_A` and `lora_B`, and no alpha: it is folded into B, so that the
scale is 1 in each tool (ComfyUI takes 1 where there is no alpha, InvokeAI refuses files with one)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from trainer.config import Lora
from trainer.disk import write_whole
from trainer.family import Family
from trainer.flow import make_generator
from trainer.model import DTYPES

ADAPTER = "default"  # peft's name for the only adapter
EPOCH = "ss_epoch"  # kohya's word for the epochs finished, in a file's metadata


def find_targets(transformer: torch.nn.Module, family: Family, targets: str) -> list[str]:
    """Full names of the linears that get a LoRA, in all kinds of block; the model's own last proj_out is none of them."""
    ends = "|".join(re.escape(name) for name in family.targets[targets])
    pattern = re.compile(rf"(single_)?transformer_blocks\.\d+\.({ends})")
    linears = (name for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear))
    return [name for name in linears if pattern.fullmatch(name)]


def add_lora(transformer: Any, family: Family, settings: Lora, seed: int) -> dict[str, Tensor]:
    """Puts the LoRA on a frozen transformer. Its weights by name, fp32 also on a bf16 base, in a fixed order.

    A is random with variance 1/rank^2, the same on every device; B is zero, so that nothing has changed yet."""
    transformer.add_adapter(
        LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, target_modules=find_targets(transformer, family, settings.targets)
        )
    )
    weights = {}
    for name, weight in sorted(transformer.named_parameters()):
        if not weight.requires_grad:
            continue
        weights[name.replace(f".{ADAPTER}.", ".")] = weight
        first = torch.zeros(weight.shape)
        if ".lora_A." in name:
            first = torch.randn(weight.shape, generator=make_generator("lora", seed, name)) / settings.rank
        weight.data = first.to(weight.device)
    return weights


def export_lora(path: Path, weights: dict[str, Tensor], settings: Lora, dtype: str, metadata: dict[str, str]) -> None:
    """Writes the LoRA's file beside and renames it, so that whoever sees it sees all of it."""
    tensors = {}
    for name, weight in weights.items():
        scale = settings.alpha / settings.rank if ".lora_B." in name else 1.0
        tensors[f"transformer.{name}"] = (weight.detach().float() * scale).to("cpu", DTYPES[dtype]).contiguous()
    write_whole(path, serialise(tensors, {"format": "pt", **metadata}))


@dataclass(frozen=True)
class About:
    """What a LoRA's file says of itself."""

    name: str
    trigger: str
    resolution: int
    rank: int
    architecture: str  # modelspec's name of the base model
    base_version: str  # kohya's
    epoch: int  # epochs finished
    step: int


def describe_lora(about: About) -> dict[str, str]:
    """Metadata by which tools list a LoRA. No date: the same training makes the same bytes."""
    resolution, rank = about.resolution, str(about.rank)
    described = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{about.architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": about.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.prediction_type": "flow",
        "ss_output_name": about.name,
        "ss_base_model_version": about.base_version,
        "ss_network_dim": rank,
        "ss_network_alpha": rank,  # as saved: the setting's alpha is folded into the weights
        "ss_resolution": f"({resolution}, {resolution})",
        EPOCH: str(about.epoch),
        "ss_steps": str(about.step),
    }
    return described | ({"modelspec.trigger_phrase": about.trigger} if about.trigger else {})


def read_epoch(path: Path) -> int | None:
    """After how many epochs a LoRA of ours was written; None where the file does not say, or cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return int((file.metadata() or {})[EPOCH])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def serialise(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """A .safetensors file's bytes. The library writes metadata in an order that differs from process to process; we do not."""
    data = save(tensors, metadata or None)  # an empty one spoils the header
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8 bytes
    return len(header).to_bytes(8, "little") + header + data[8 + length :]
