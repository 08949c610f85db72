"""Models in their authors' names, as in the single files of ComfyUI: written here by hand, not by the trainer's tables."""

import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from trainer.weights import Place, Source, Weights

Tensors = dict[str, Tensor]

DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
DOUBLE_2 = {
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.linear_in",
    "img_mlp.2": "ff.linear_out",
    "txt_mlp.0": "ff_context.linear_in",
    "txt_mlp.2": "ff_context.linear_out",
}
NORMS = {"img_attn.norm.query_norm": "norm_q", "img_attn.norm.key_norm": "norm_k"}
NORMS |= {"txt_attn.norm.query_norm": "norm_added_q", "txt_attn.norm.key_norm": "norm_added_k"}
AROUND = {"img_in": "x_embedder", "txt_in": "context_embedder", "final_layer.linear": "proj_out"}
AROUND_1 = AROUND | {
    f"{theirs}.{layer}_layer": f"time_text_embed.{ours}.linear_{number}"
    for theirs, ours in (("time_in", "timestep_embedder"), ("vector_in", "text_embedder"), ("guidance_in", "guidance_embedder"))
    for layer, number in (("in", 1), ("out", 2))
}
AROUND_2 = AROUND | {
    "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
    "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
    "single_stream_modulation.lin": "single_stream_modulation.linear",
}


def export_flux1(state: Tensors) -> Tensors:
    """A FluxTransformer2DModel's weights as black-forest-labs/flux names and fuses them."""
    made = _export_around(state, AROUND_1)
    for number in _numbers(state, "transformer_blocks"):
        made |= _export_double(state, number, DOUBLE)
    for number in _numbers(state, "single_transformer_blocks"):
        ours, theirs = f"single_transformer_blocks.{number}", f"single_blocks.{number}"
        fused = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        for leaf in ("weight", "bias"):
            made[f"{theirs}.linear1.{leaf}"] = torch.cat([state[f"{ours}.{name}.{leaf}"] for name in fused])
            made[f"{theirs}.linear2.{leaf}"] = state[f"{ours}.proj_out.{leaf}"]
            made[f"{theirs}.modulation.lin.{leaf}"] = state[f"{ours}.norm.linear.{leaf}"]
        made[f"{theirs}.norm.query_norm.scale"] = state[f"{ours}.attn.norm_q.weight"]
        made[f"{theirs}.norm.key_norm.scale"] = state[f"{ours}.attn.norm_k.weight"]
    return made


def export_flux2(state: Tensors) -> Tensors:
    """A Flux2Transformer2DModel's weights as black-forest-labs/flux2 names and fuses them."""
    made = _export_around(state, AROUND_2)
    for number in _numbers(state, "transformer_blocks"):
        made |= _export_double(state, number, DOUBLE_2)
    for number in _numbers(state, "single_transformer_blocks"):
        ours, theirs = f"single_transformer_blocks.{number}.attn", f"single_blocks.{number}"
        made[f"{theirs}.linear1.weight"] = state[f"{ours}.to_qkv_mlp_proj.weight"]
        made[f"{theirs}.linear2.weight"] = state[f"{ours}.to_out.weight"]
        made[f"{theirs}.norm.query_norm.scale"] = state[f"{ours}.norm_q.weight"]
        made[f"{theirs}.norm.key_norm.scale"] = state[f"{ours}.norm_k.weight"]
    return made


def export_vae(state: Tensors, inside: bool = False) -> Tensors:
    """An AutoencoderKL's weights as CompVis and Black Forest Labs name them; `inside`: FLUX.2 has quant_conv in the encoder."""

    def swap_level(match: re.Match[str]) -> str:
        return f"up.{3 - int(match[1])}."

    rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"conv_norm_out", "norm_out"),
        (r"mid_block\.resnets\.0", "mid.block_1"),
        (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
        (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
        (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
        (r"down_blocks\.(\d)\.", r"down.\1."),
        (r"up_blocks\.(\d)\.", swap_level),
        (r"resnets\.", "block."),
        (r"(down|up)samplers\.0\.", r"\1sample."),
        (r"conv_shortcut", "nin_shortcut"),
    ]
    if inside:
        rules += [(r"^quant_conv", "encoder.quant_conv"), (r"^post_quant_conv", "decoder.post_quant_conv")]
    made = {}
    for name, tensor in state.items():
        other = name
        for pattern, instead in rules:
            other = re.sub(pattern, instead, other)
        is_linear = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", other)
        made[other] = tensor[:, :, None, None] if is_linear else tensor
    return made


def promise(state: Tensors) -> Weights:
    """Weights of a file that is not there, as its header would say them: for models of the full size, on the meta device."""
    listed = enumerate(state.items())
    places = {name: Place(Path("none"), tensor.dtype, tuple(tensor.shape), number) for number, (name, tensor) in listed}
    return Weights({name: Source(place, place.shape) for name, place in places.items()})


def _numbers(state: Tensors, blocks: str) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in state if name.startswith(f"{blocks}.")})


def _export_around(state: Tensors, names: dict[str, str]) -> Tensors:
    made = {
        f"{theirs}.{leaf}": state[f"{ours}.{leaf}"]
        for theirs, ours in names.items()
        for leaf in ("weight", "bias")
        if f"{ours}.{leaf}" in state
    }
    for leaf in ("weight", "bias"):  # shift first with them, scale first with diffusers
        if f"norm_out.linear.{leaf}" in state:
            scale, shift = state[f"norm_out.linear.{leaf}"].chunk(2)
            made[f"final_layer.adaLN_modulation.1.{leaf}"] = torch.cat([shift, scale])
    return made


def _export_double(state: Tensors, number: int, names: dict[str, str]) -> Tensors:
    ours, theirs = f"transformer_blocks.{number}", f"double_blocks.{number}"
    made = {f"{theirs}.{name}.scale": state[f"{ours}.attn.{norm}.weight"] for name, norm in NORMS.items()}
    for leaf in ("weight", "bias"):
        if f"{ours}.attn.to_q.{leaf}" not in state:
            continue  # FLUX.2 has no biases
        made |= {f"{theirs}.{name}.{leaf}": state[f"{ours}.{other}.{leaf}"] for name, other in names.items()}
        for stream, fused in (("img", ("to_q", "to_k", "to_v")), ("txt", ("add_q_proj", "add_k_proj", "add_v_proj"))):
            made[f"{theirs}.{stream}_attn.qkv.{leaf}"] = torch.cat([state[f"{ours}.attn.{name}.{leaf}"] for name in fused])
    return made
