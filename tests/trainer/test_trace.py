"""What a trace counts on a twin is what the real model does: its products, and the bytes it keeps."""

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from trainer.trace import FLASH_BACKWARD, find_lists, make_twin, trace

SMALL = {"num_layers": 3, "num_single_layers": 4, "attention_head_dim": 16, "num_attention_heads": 4, "in_channels": 16}
SMALL |= {"joint_attention_dim": 24, "pooled_projection_dim": 20, "axes_dims_rope": (4, 6, 6), "guidance_embeds": True}
IMAGES, TOKENS, TEXT = 2, 48, 8
HEAD, INNER = (IMAGES, 4, TOKENS + TEXT, 16), 64


class Learned(nn.Module):
    """A linear beside a frozen one, as a LoRA is."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.down, self.up = nn.Linear(base.in_features, 4, bias=False), nn.Linear(4, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def build():
    return FluxTransformer2DModel(**SMALL)


def teach(model):
    """Frozen but for what is beside the inputs of each attention."""
    model.requires_grad_(False)
    for block in [block for blocks in find_lists(model) for block in blocks]:
        for name in ("to_q", "to_k", "to_v"):
            setattr(block.attn, name, Learned(getattr(block.attn, name)))
    return model


def feed(device):
    draw = lambda *shape: torch.ones(*shape, device=device)  # noqa: E731
    return {
        "hidden_states": draw(IMAGES, TOKENS, 16),
        "timestep": draw(IMAGES),
        "guidance": draw(IMAGES),
        "encoder_hidden_states": draw(IMAGES, TEXT, 24),
        "pooled_projections": draw(IMAGES, 20),
        "txt_ids": draw(TEXT, 3),
        "img_ids": draw(TOKENS, 3),
        "return_dict": False,
    }


@pytest.fixture
def found():
    twin = make_twin(build, torch.float32)
    with torch.device("meta"):
        teach(twin.model)
    return trace(twin, lambda model: model(**feed("meta")))


@pytest.fixture
def model():
    return teach(build())


def test_counts_what_torch_counts_on_the_real_model(found, model):
    with FlopCounterMode(display=False) as forward, sdpa_kernel(SDPBackend.MATH):
        out = model(**feed("cpu"))[0]
    with FlopCounterMode(display=False) as backward, sdpa_kernel(SDPBackend.MATH):
        out.sum().backward()
    assert found.forward == forward.get_total_flops()
    attention = sdpa_flop_count(HEAD, HEAD, HEAD) * len(found.blocks)
    # unfused attention has four products in its backward pass, a fused one computes the first of the forward pass again
    assert found.backward == backward.get_total_flops() + (FLASH_BACKWARD - 2) * attention


def test_fused_attention_costs_what_torch_says():
    assert sdpa_backward_flop_count(HEAD, HEAD, HEAD, HEAD) == FLASH_BACKWARD * sdpa_flop_count(HEAD, HEAD, HEAD)


def test_the_first_block_gives_no_gradient_to_what_was_before_it(found):
    assert found.blocks[0].backward < found.blocks[1].backward == found.blocks[2].backward
    assert len(found.blocks) == 7 and found.blocks[4] == found.blocks[6]


def test_a_twin_of_all_blocks_costs_the_same(found):
    whole = make_twin(build, torch.float32, keep=None)
    assert whole.copies == (1,) * 7
    with torch.device("meta"):
        teach(whole.model)
    assert trace(whole, lambda model: model(**feed("meta"))) == found


def test_counts_the_bytes_that_the_real_model_keeps(found, model):
    known = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        model(**feed("cpu"))
    real = sum(storage.nbytes() for storage in kept.values())
    assert found.rest.kept + sum(part.kept for part in found.blocks) == pytest.approx(real, rel=0.02)


def test_a_checkpointed_block_keeps_its_inputs(found):
    tokens = IMAGES * (TOKENS + TEXT) * INNER * 4  # bytes, fp32
    assert [part.entry for part in found.blocks[1:]] == [tokens] * 6
    assert found.blocks[0].entry >= tokens and found.rest.entry == 0
    assert all(part.kept > 3 * part.entry for part in found.blocks)
