"""Writes a LoRA's file, in the form that every tool loads, and says in it what it is.

That form has diffusers' names behind `transformer.`, `lora_A` and `lora_B`, and no alpha: it is folded into B, so that the
scale is 1 in each tool (ComfyUI takes 1 where there is no alpha, InvokeAI refuses files with one)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from trainer.config import Config, Lora
from trainer.disk import write_whole
from trainer.family import Family
from trainer.formats import Form, Layers, Pair, spell
from trainer.plan import Plan

EPOCH = "ss_epoch"  # kohya's word for the epochs finished, in a file's metadata
ORIGINAL = "https://github.com/black-forest-labs/flux"  # whose modules kohya's and BFL's forms name
PER_FORM = ("format", "lora_adapter_metadata", "ss_network_module", "modelspec.implementation")
HASHES = ("modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash")


def fold(weights: Mapping[str, Tensor], settings: Lora) -> Layers:
    """A copy of what was learned, as pairs in fp32 that are used with scale 1."""
    plain = {name: weight.detach().to("cpu", torch.float32, copy=True) for name, weight in weights.items()}
    modules = [name.removesuffix(".lora_A.weight") for name in plain if name.endswith(".lora_A.weight")]
    pairs = {module: Pair(plain[f"{module}.lora_A.weight"], plain[f"{module}.lora_B.weight"]) for module in modules}
    return {module: pair.scale(settings.alpha / settings.rank) for module, pair in pairs.items()}


@dataclass(frozen=True)
class Style:
    """How a file is to be written."""

    family: type[Family]
    form: Form
    dtype: torch.dtype


def export_lora(path: Path, layers: Layers, style: Style, metadata: Mapping[str, str]) -> None:
    """Writes the file beside and renames it, so that whoever sees it sees all of it. Raises NotWritten."""
    cast = {module: Pair(pair.a.to(style.dtype), pair.b.to(style.dtype)) for module, pair in layers.items()}
    tensors = spell(cast, style.family.keys, style.form, style.family.kohya_prefix)
    said = {name: value for name, value in metadata.items() if name not in (*PER_FORM, *HASHES)}
    said |= {"format": "pt", "modelspec.implementation": "diffusers" if style.form == "diffusers" else ORIGINAL}
    if style.form == "kohya":
        said["ss_network_module"] = "networks.lora_flux"
    header, body = split(save(tensors))
    digest = hashlib.sha256(body).hexdigest()
    write_whole(path, put_together(header, body, said | {"modelspec.hash_sha256": f"0x{digest}", "sshs_model_hash": digest}))


# ---- what it says of itself ------------------------------------------------------------------------------------------
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


def describe_training(config: Config, plan: Plan, images: int, ordinary: int) -> dict[str, str]:
    """How it was learned, in kohya's words. Captions stay private: no ss_tag_frequency, no folder's name."""
    train, lora = config.train, config.lora
    more = {"targets": lora.targets, "blocks": lora.blocks, "rank_dropout": lora.dropout, "alpha": lora.alpha}
    said = {
        "ss_learning_rate": train.learning_rate,
        "ss_lr_warmup_steps": train.warmup_steps,
        "ss_lr_scheduler": train.schedule,
        "ss_optimizer": train.optimizer,
        "ss_max_grad_norm": train.max_grad_norm,
        "ss_seed": train.seed,
        "ss_guidance_scale": train.guidance,
        "ss_model_prediction_type": "raw",
        "ss_timestep_sampling": train.timesteps,
        "ss_discrete_flow_shift": train.shift,
        "ss_loss_type": train.loss,
        "ss_num_epochs": train.epochs,
        "ss_max_train_steps": plan.total_steps,
        "ss_num_batches_per_epoch": plan.steps_per_epoch,
        "ss_total_batch_size": config.data.batch_size,
        "ss_enable_bucket": config.data.buckets,
        "ss_num_train_images": images,
        "ss_num_reg_images": ordinary,
        "ss_network_args": json.dumps(more),
    }
    return {name: str(value) for name, value in said.items()}


def read_epoch(path: Path) -> int | None:
    """After how many epochs a LoRA of ours was written; None where the file does not say, or cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return int((file.metadata() or {})[EPOCH])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


# ---- its bytes -------------------------------------------------------------------------------------------------------
def serialise(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """A .safetensors file's bytes."""
    return put_together(*split(save(tensors)), metadata)


def put_together(header: bytes, body: bytes, metadata: dict[str, str]) -> bytes:
    """With metadata in the header. The library writes them in an order that differs from process to process; we do not."""
    said = json.loads(header) | ({"__metadata__": metadata} if metadata else {})
    packed = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)  # tensors begin at a multiple of 8 bytes
    return len(packed).to_bytes(8, "little") + packed + body


def split(data: bytes) -> tuple[bytes, bytes]:
    """The header of a .safetensors file and what comes after it."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]
