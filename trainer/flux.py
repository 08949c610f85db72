"""What FLUX.1 and FLUX.2 have in common: double and single blocks, and what their authors and diffusers call most of them."""

from typing import Any

from trainer.encoders import count
from trainer.names import Key, Shapes

OWN, CONTEXT = ("to_q", "to_k", "to_v", "to_out.0"), ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
ATTENTION = tuple(f"attn.{name}" for name in OWN + CONTEXT)  # of the double blocks


def double(theirs: str, *ours: str, rows: tuple[float, ...] = ()) -> Key:
    """A module of each double block."""
    return Key(f"double_blocks.{{}}.{theirs}", tuple(f"transformer_blocks.{{}}.{name}" for name in ours), rows=rows)


def single(theirs: str, *ours: str, rows: tuple[float, ...] = ()) -> Key:
    """A module of each single block."""
    return Key(f"single_blocks.{{}}.{theirs}", tuple(f"single_transformer_blocks.{{}}.{name}" for name in ours), rows=rows)


KEYS = (
    double("img_attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
    double("txt_attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    double("img_attn.proj", "attn.to_out.0"),
    double("txt_attn.proj", "attn.to_add_out"),
    double("img_attn.norm.query_norm", "attn.norm_q"),
    double("img_attn.norm.key_norm", "attn.norm_k"),
    double("txt_attn.norm.query_norm", "attn.norm_added_q"),
    double("txt_attn.norm.key_norm", "attn.norm_added_k"),
    single("norm.query_norm", "attn.norm_q"),
    single("norm.key_norm", "attn.norm_k"),
    Key("img_in", ("x_embedder",)),
    Key("txt_in", ("context_embedder",)),
    Key("final_layer.adaLN_modulation.1", ("norm_out.linear",), swapped=True),
    Key("final_layer.linear", ("proj_out",)),
)


def infer_blocks(shapes: Shapes) -> dict[str, Any]:
    """The part of a transformer's config that says how many blocks there are, and how wide."""
    width, channels = shapes["x_embedder.weight"]
    (head,) = shapes["single_transformer_blocks.0.attn.norm_q.weight"]
    return {
        "in_channels": channels,
        "num_layers": count(shapes, "transformer_blocks.", ".attn.norm_q.weight"),
        "num_single_layers": count(shapes, "single_transformer_blocks.", ".attn.norm_q.weight"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
    }
