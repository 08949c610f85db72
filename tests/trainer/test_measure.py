"""What a batch costs, for the log and for memory."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from tests.trainer.klein import make_klein
from trainer.config import Lora, Model, Train
from trainer.families import find_base
from trainer.flow import Batch, compute_loss, draw_noise
from trainer.lora import add_lora
from trainer.measure import Measure, count_weights


@pytest.fixture
def batch():
    return Batch(torch.zeros(2, 16, 8, 16), {"txt": torch.zeros(2, 24, 96), "pooled": torch.zeros(2, 64)})


@pytest.mark.parametrize("blocks", ["all", "double 1, single 0-2"])
def test_a_step_costs_what_torch_counts_on_the_real_one(family, batch, blocks):
    """Of the real model with its LoRA: forward, loss and backward."""
    lora = Lora(rank=4, blocks=blocks)
    model = family.load_transformer()
    add_lora(model, family, lora, 1)
    noise = draw_noise(family, batch, Train(), 0)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        compute_loss(family, model, batch, noise, Train()).mean().backward()
    work = Measure(family, lora, 1).weigh(batch)
    heads = (2, 5, 24 + 4 * 8, 32)
    learned = 7 if blocks == "all" else 6  # blocks whose attention has a backward pass, of which fused ones compute more
    fused = learned * sdpa_flop_count(heads, heads, heads) / 2
    assert work.tokens == 2 * 4 * 8
    assert work.flops - fused == pytest.approx(counter.get_total_flops(), rel=0.002)


def test_another_family_costs_what_torch_counts_too(tmp_path):
    klein = find_base(Model(base=str(make_klein(tmp_path / "klein-base-mini")), dtype="fp32"), torch.device("cpu"))
    model, twin = klein.load_transformer(), Measure(klein, Lora(rank=4), 1)
    add_lora(model, klein, Lora(rank=4), 1)
    width = model.config.joint_attention_dim
    batch = Batch(torch.zeros(2, model.config.in_channels // 4, 8, 8), {"txt": torch.zeros(2, 24, width)})
    noise = draw_noise(klein, batch, Train(), 0)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        compute_loss(klein, model, batch, noise, Train()).mean().backward()
    heads = (2, model.config.num_attention_heads, 24 + 16, model.config.attention_head_dim)
    blocks = model.config.num_layers + model.config.num_single_layers
    fused = blocks * sdpa_flop_count(heads, heads, heads) / 2
    assert twin.weigh(batch).flops - fused == pytest.approx(counter.get_total_flops(), rel=0.005)
    assert len(twin.trace(batch).blocks) == blocks == len(count_weights(twin.twin).linears)


def test_each_of_several_processes_does_its_share(family, batch):
    alone, shared = Measure(family, Lora(), 1).weigh(batch), Measure(family, Lora(), 2).weigh(batch)
    assert shared.tokens == alone.tokens and shared.flops == alone.flops / 2


def test_a_shape_is_traced_once(family, batch, monkeypatch):
    measure = Measure(family, Lora(), 1)
    measure.weigh(batch)
    monkeypatch.setattr("trainer.measure.trace", None)
    assert measure.weigh(batch) == measure.weigh(batch)
    with pytest.raises(TypeError):
        measure.weigh(Batch(torch.zeros(2, 16, 8, 8), batch.conditions))


def test_weights_are_counted_as_in_the_real_model(family):
    model, sizes = family.load_transformer(), count_weights(Measure(family, Lora(rank=4), 1).twin)
    assert len(sizes.linears) == 7
    assert sum(sizes.linears) + sizes.others == sum(weight.numel() for weight in model.parameters())
    assert sizes.lora == sum(weight.numel() for weight in add_lora(model, family, Lora(rank=4), 1).values())
