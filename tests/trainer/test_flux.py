"""What both families call the same, and how many blocks there are, told by real models of either."""

import pytest
import torch
from diffusers import Flux2Transformer2DModel, FluxTransformer2DModel

from trainer.families import FAMILIES
from trainer.flux import KEYS, double, infer_blocks, single

SMALL = {"num_layers": 2, "num_single_layers": 3, "attention_head_dim": 16, "num_attention_heads": 4, "in_channels": 8}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_the_common_names_and_its_own(family):
    assert family.keys[: len(KEYS)] == KEYS and len(family.keys) > len(KEYS)


@pytest.mark.parametrize(
    ("kind", "axes"), [(FluxTransformer2DModel, (2, 6, 8)), (Flux2Transformer2DModel, (4, 4, 4, 4))], ids=["1", "2"]
)
def test_blocks_are_told_by_shapes(kind, axes):
    with torch.device("meta"):
        model = kind(**SMALL, joint_attention_dim=24, axes_dims_rope=axes)
    found = infer_blocks({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    assert found == {**SMALL, "joint_attention_dim": 24}
    modules = {name for name, _ in model.named_modules()}
    assert all(name.format(1) in modules for key in KEYS for name in key.ours), "diffusers has them in both"


def test_names_of_a_block():
    assert double("img_attn.proj", "attn.to_out.0").ours == ("transformer_blocks.{}.attn.to_out.0",)
    fused = single("linear1", "attn.to_q", "proj_mlp", rows=(1, 4))
    assert (fused.theirs, fused.rows) == ("single_blocks.{}.linear1", (1, 4))
    assert fused.ours == ("single_transformer_blocks.{}.attn.to_q", "single_transformer_blocks.{}.proj_mlp")
