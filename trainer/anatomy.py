"""What a base model is made of: the parts of each family, the files of each part, and how they are known by the names of their
weights. Imports no torch, so that what is on a disk can be told without it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from trainer.header import find_file_problem

INDEX = "model_index.json"
UNUSED = ("*.bin", "*.msgpack", "*.h5")  # weights in other formats, beside those in .safetensors
VAE_MARKS = ("decoder.conv_in.weight",)  # names of weights that a part has in any file, and no other part
CLIP_MARKS = ("embeddings.token_embedding.weight",)
T5_MARKS = ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",)
QWEN_MARKS = ("layers.0.self_attn.q_norm.weight",)
FOREIGN = {  # models that people have lying about, by a piece of a name that no other has
    "lora_": "a LoRA",
    ".lokr_": "a LoKr",
    "control_": "a ControlNet",
    "distilled_guidance_layer.": "Chroma",
    "input_blocks.": "Stable Diffusion 1, 2 or XL",
    "down_blocks.0.attentions.": "Stable Diffusion 1, 2 or XL",
    "joint_blocks.": "Stable Diffusion 3",
    "double_stream_modulation_img.": "FLUX.2",
    "double_blocks.": "FLUX.1 or a model much like it",
    "img_mod.1.": "Qwen-Image",
    "context_refiner.": "Lumina or Z-Image",
    "cap_embedder.": "Lumina or Z-Image",
    "blocks.0.cross_attn.": "Wan",
    "decoder.up.": "a VAE",
    "decoder.up_blocks.": "a VAE",
    "token_embedding.": "a CLIP text encoder",
    "SelfAttention.relative_attention_bias.": "a T5 text encoder",
    "layers.0.self_attn.": "a language model",
}


@dataclass(frozen=True)
class Anatomy:
    """One family of models."""

    title: str  # as people call it
    pipelines: tuple[str, ...]  # diffusers' names for it, in model_index.json
    configs: Mapping[str, str]  # the parts of its folder, each with the file that says how it is built
    settings: Mapping[str, str]  # the parts that hold weights, each with the setting of [model] that gives it by itself
    marks: Mapping[str, tuple[str, ...]]  # by part, as above
    sources: tuple[str, ...]  # models on the Hub whose tokenizers are this family's


FLUX1 = Anatomy(
    title="FLUX.1",
    pipelines=("FluxPipeline", "FluxKontextPipeline"),  # Kontext is learned as what draws from a text alone
    configs={
        "transformer": "config.json",
        "vae": "config.json",
        "text_encoder": "config.json",
        "text_encoder_2": "config.json",
        "tokenizer": "tokenizer_config.json",
        "tokenizer_2": "tokenizer_config.json",
        "scheduler": "scheduler_config.json",
    },
    settings={"transformer": "transformer", "vae": "vae", "text_encoder": "clip", "text_encoder_2": "t5"},
    marks={
        "transformer": ("double_blocks.0.img_mod.lin.weight", "single_transformer_blocks.0.norm.linear.weight"),
        "vae": VAE_MARKS,
        "text_encoder": CLIP_MARKS,
        "text_encoder_2": T5_MARKS,
    },
    sources=tuple(f"black-forest-labs/FLUX.1-{name}" for name in ("dev", "schnell", "Krea-dev", "Kontext-dev")),
)
FLUX2_KLEIN = Anatomy(
    title="FLUX.2 klein",
    pipelines=("Flux2KleinPipeline",),
    configs={
        "transformer": "config.json",
        "vae": "config.json",
        "text_encoder": "config.json",
        "tokenizer": "tokenizer_config.json",
    },
    settings={"transformer": "transformer", "vae": "vae", "text_encoder": "qwen"},
    marks={
        "transformer": ("double_stream_modulation_img.lin.weight", "double_stream_modulation_img.linear.weight"),
        "vae": VAE_MARKS,
        "text_encoder": QWEN_MARKS,
    },
    sources=tuple(f"black-forest-labs/FLUX.2-klein-{name}" for name in ("base-4B", "4B", "base-9B", "9B")),
)
ANATOMIES = (FLUX1, FLUX2_KLEIN)
PARTS = tuple(dict.fromkeys(part for anatomy in ANATOMIES for part in anatomy.configs))  # of whichever family


# ---- by their files ------------------------------------------------------------------------------------------------------
def find_anatomy(folder: Path) -> Anatomy | None:
    """The family of a folder in diffusers format, as its model_index.json says; None where that is missing or another's."""
    kind = read_json(folder / INDEX).get("_class_name")
    return next((anatomy for anatomy in ANATOMIES if kind in anatomy.pipelines), None)


def is_wanted(name: str) -> bool:
    """Whether a training needs this file of a model on the Hub, such as "vae/config.json"."""
    part, _, inside = name.partition("/")
    return name == INDEX or (part in PARTS and bool(inside) and not any(fnmatch(name, end) for end in UNUSED))


def find_folder_problems(folder: Path, config: str, has_weights: bool) -> Iterator[str]:
    """What is wrong with the folder of one part, one sentence each. Of the weights, headers are read."""
    yield from _find_config_problems(folder, config)
    if has_weights:
        yield from _find_weight_problems(folder)


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
        elif problem := find_file_problem(part / name):
            yield f"{name}: {problem}"


def read_json(file: Path) -> dict[str, Any]:
    """Empty where there is no readable object: what is missing is then reported by name."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


# ---- by the names of their weights -----------------------------------------------------------------------------------------
def describe(names: Iterable[str]) -> str:
    """What a file seems to hold."""
    listed = list(names)
    found = (title for piece, title in FOREIGN.items() if any(piece in name for name in listed))
    return next(found, f"a model unknown here, with weights such as {listed[0]}" if listed else "no weights")


def find_prefix(names: Iterable[str], marks: Iterable[str]) -> str | None:
    """What stands before a part's names in a file: '' or, where a file holds several parts, 'vae.'; None: it is not in there.

    `marks` are names that the part has, and no other part."""
    listed = list(names)
    found = (name.removesuffix(mark) for mark in marks for name in listed if f".{name}".endswith(f".{mark}"))
    return next(found, None)
