"""FLUX.1's FLOPs as computed by hand from its sizes, and the peaks of cards by their names."""

import pytest
import torch
from diffusers import FluxTransformer2DModel

from trainer.flops import CARDS, count_model_flops, count_step_flops, find_card
from trainer.trace import make_twin, trace

# shared facts, section 3: TFLOP at batch 1 with 512 text tokens, forward, and a step without and with checkpointing
BY_HAND = {1024: (21.5, 45.5, 67.0), 2304: (41.9, 92.2, 134.1), 4096: (74.4, 171.1, 245.4)}


def look(twin, tokens):
    empty = lambda *shape: torch.empty(*shape, device="meta", dtype=torch.bfloat16)  # noqa: E731
    img = empty(1, tokens, 64).requires_grad_()  # as if a LoRA were before it: every block gives its gradient on
    return trace(
        twin,
        lambda model: model(
            hidden_states=img,
            timestep=empty(1),
            guidance=empty(1),
            encoder_hidden_states=empty(1, 512, 4096).requires_grad_(),
            pooled_projections=empty(1, 768),
            txt_ids=empty(512, 3),
            img_ids=empty(tokens, 3),
            return_dict=False,
        ),
    )


@pytest.fixture(scope="module")
def flux():
    """FLUX.1-dev at its real size, of which nothing is in memory."""
    return make_twin(lambda: FluxTransformer2DModel(guidance_embeds=True), torch.bfloat16)


@pytest.mark.parametrize("tokens", BY_HAND)
def test_flux1_at_its_real_size(flux, tokens):
    found = look(flux, tokens)
    assert len(found.blocks) == 19 + 38
    got = found.forward, count_model_flops(found), count_step_flops(found, len(found.blocks))
    assert [flops / 1e12 for flops in got] == pytest.approx(BY_HAND[tokens], abs=0.07)


def test_each_checkpointed_block_costs_its_forward_pass_once_more(flux):
    found = look(flux, 1024)
    assert count_step_flops(found, 0) == count_model_flops(found)
    assert count_step_flops(found, 3) - count_step_flops(found, 2) == found.blocks[2].forward


@pytest.mark.parametrize(
    ("name", "peaks"),
    [
        ("NVIDIA H100 80GB HBM3", (989.4, 1978.9, 1978.9)),
        ("NVIDIA H100 PCIe", (756, 1513, 1513)),
        ("NVIDIA H100 NVL", (835.5, 1670.5, 1670.5)),
        ("NVIDIA H200", (989.4, 1978.9, 1978.9)),
        ("NVIDIA A100-SXM4-80GB", (312, 0, 624)),
        ("NVIDIA A100-PCIE-40GB", (312, 0, 624)),
        ("NVIDIA RTX A6000", (154.8, 0, 309.7)),
        ("NVIDIA RTX 6000 Ada Generation", (364.2, 728.5, 728.5)),
        ("NVIDIA L40S", (362, 733, 733)),
        ("NVIDIA GeForce RTX 4090", (165.2, 330.3, 660.6)),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", (88.2, 176.4, 352.8)),
        ("NVIDIA GeForce RTX 3090", (71, 0, 284)),
    ],
)
def test_cards_by_name(name, peaks):
    card = find_card(name)
    assert (card.bf16, card.fp8, card.int8) == peaks
    assert card.peak("bf16") == peaks[0] * 1e12


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "Some GPU", ""])
def test_a_card_that_is_not_in_the_table_has_no_peak(name):
    assert find_card(name) is None


def test_every_card_is_found_by_its_own_name():
    assert [find_card(card.name) for card in CARDS] == list(CARDS)
