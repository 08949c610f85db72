"""Text encoders and VAEs as single files: how each is built, told by the shapes of its weights, and its names in diffusers.

Numbers that no shape tells are those of the models that FLUX uses; a config.json, where there is one, says them instead."""

from collections.abc import Iterator
from typing import Any

from trainer.anatomy import QWEN_MARKS, T5_MARKS
from trainer.names import Key, Shapes

LEVELS = 4  # of the VAE: it makes of 8x8 px one latent
CLIP_HEAD = 64  # channels of an attention head of CLIP-L
T5_KEYS = (Key("shared", ("encoder.embed_tokens",)), Key("encoder.embed_tokens", ("shared",)))  # one tensor, kept once


def count(shapes: Shapes, before: str, after: str) -> int:
    """How many blocks there are: the first number that stands between the two in no name."""
    number = 0
    while f"{before}{number}{after}" in shapes:
        number += 1
    return number


# ---- VAE: black-forest-labs/flux, src/flux/modules/autoencoder.py, which is CompVis' ---------------------------------------
def _list_vae_keys() -> Iterator[Key]:
    for side in ("encoder", "decoder"):
        yield Key(f"{side}.norm_out", (f"{side}.conv_norm_out",))
        for number in (1, 2):
            yield from _list_block_keys(f"{side}.mid.block_{number}", f"{side}.mid_block.resnets.{number - 1}")
        yield Key(f"{side}.mid.attn_1.norm", (f"{side}.mid_block.attentions.0.group_norm",))
        for theirs, ours in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
            yield Key(f"{side}.mid.attn_1.{theirs}", (f"{side}.mid_block.attentions.0.{ours}",))
    for level in range(LEVELS):
        down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{LEVELS - 1 - level}"
        yield Key(f"encoder.down.{level}.downsample.conv", (f"{down}.downsamplers.0.conv",))
        yield Key(f"decoder.up.{level}.upsample.conv", (f"{up}.upsamplers.0.conv",))
        for number in range(4):
            yield from _list_block_keys(f"encoder.down.{level}.block.{number}", f"{down}.resnets.{number}")
            yield from _list_block_keys(f"decoder.up.{level}.block.{number}", f"{up}.resnets.{number}")
    yield Key("encoder.quant_conv", ("quant_conv",))  # of FLUX.2
    yield Key("decoder.post_quant_conv", ("post_quant_conv",))


def _list_block_keys(theirs: str, ours: str) -> Iterator[Key]:
    names = ("norm1", "conv1", "norm2", "conv2")
    yield from (Key(f"{theirs}.{name}", (f"{ours}.{name}",)) for name in names)
    yield Key(f"{theirs}.nin_shortcut", (f"{ours}.conv_shortcut",))


VAE_KEYS = tuple(_list_vae_keys())


def infer_vae(shapes: Shapes) -> dict[str, Any]:
    """The config of an AutoencoderKL, its scale apart."""
    levels = count(shapes, "encoder.down_blocks.", ".resnets.0.conv1.weight")
    wide = tuple(shapes[f"encoder.down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels))
    back = tuple(shapes[f"decoder.up_blocks.{level}.resnets.0.conv1.weight"][0] for level in reversed(range(levels)))
    config = {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": wide,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": count(shapes, "encoder.down_blocks.0.resnets.", ".conv1.weight"),
        "mid_block_add_attention": "encoder.mid_block.attentions.0.to_q.weight" in shapes,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
    }
    return config | ({"decoder_block_out_channels": back} if back != wide else {})  # FLUX.2's small decoder


# ---- text encoders -----------------------------------------------------------------------------------------------------
def infer_clip(shapes: Shapes) -> dict[str, Any]:
    """The config of a CLIPTextModel. Its last two tokens begin and end a text."""
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": count(shapes, "encoder.layers.", ".mlp.fc1.weight"),
        "num_attention_heads": width // CLIP_HEAD,
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
        "projection_dim": width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
    }


def infer_t5(shapes: Shapes) -> dict[str, Any]:
    """The config of a T5EncoderModel of version 1.1."""
    buckets, heads = shapes[T5_MARKS[0]]
    inner, width = shapes["encoder.block.0.layer.0.SelfAttention.q.weight"]
    return {
        "vocab_size": shapes.get("shared.weight", shapes.get("encoder.embed_tokens.weight", (0,)))[0],
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"][0],
        "num_layers": count(shapes, "encoder.block.", ".layer.0.SelfAttention.q.weight"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": True,
    }


def infer_qwen(shapes: Shapes) -> dict[str, Any]:
    """The config of a Qwen3Model."""
    vocabulary, width = shapes["embed_tokens.weight"]
    (head,) = shapes[QWEN_MARKS[0]]
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "head_dim": head,
        "intermediate_size": shapes["layers.0.mlp.gate_proj.weight"][0],
        "num_hidden_layers": count(shapes, "layers.", ".self_attn.q_norm.weight"),
        "num_attention_heads": shapes["layers.0.self_attn.q_proj.weight"][0] // head,
        "num_key_value_heads": shapes["layers.0.self_attn.k_proj.weight"][0] // head,
        "max_position_embeddings": 40960,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        "tie_word_embeddings": True,
    }
