"""Prodigy step by step beside its authors' own, and in a resume."""

import pytest
import torch

from trainer.flow import make_generator
from trainer.prodigy import FIRST, Prodigy

SHAPES = {"a": (4, 24), "b": (24, 4), "c": (7,)}
OPTIONS = {"lr": 1.0, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.01}


def make(kind, dtype=torch.float32, **options):
    """Three weights, one of which begins at 0 as a LoRA's B does."""
    generator = make_generator("prodigy")
    first = {name: torch.randn(shape, generator=generator) * (name != "b") for name, shape in SHAPES.items()}
    weights = [torch.nn.Parameter(tensor.to(dtype)) for tensor in first.values()]
    return weights, kind(weights, **OPTIONS | options)


def learn(weights, optimizer, steps, rates=lambda step: 1.0):
    """Towards fixed places, on a way that is not the same for each; d after each step."""
    found = []
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = rates(step)
        noise = make_generator("noise", step)
        for weight in weights:
            goal = torch.linspace(-2, 2, weight.numel()).view_as(weight)
            weight.grad = (weight - goal).detach() + (torch.randn(weight.shape, generator=noise) / 10).to(weight.dtype)
        optimizer.step()
        found.append(optimizer.tell() if isinstance(optimizer, Prodigy) else optimizer.param_groups[0]["d"])
    return found


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_it_is_that_of_its_authors(weight_decay):
    """At each of 100 steps the same d, and in the end the same weights, through a warm-up and a fall; in fp64, because a first
    step of 1e-06 is of the size of fp32's rounding."""
    from prodigyopt import Prodigy as Theirs

    options = {"dtype": torch.float64, "weight_decay": weight_decay}
    own, theirs = make(Prodigy, **options), make(Theirs, **options, use_bias_correction=True, safeguard_warmup=True)
    rates = lambda step: min((step + 1) / 10, 1.0, (100 - step) / 30)  # noqa: E731
    found, expected = learn(*own, range(100), rates), learn(*theirs, range(100), rates)
    assert found == pytest.approx(expected, rel=1e-6)
    assert found[0] == pytest.approx(FIRST) and found[-1] > 1e-3 and sorted(found) == found, "it is found, and never falls"
    for ours, other in zip(own[0], theirs[0], strict=True):
        assert torch.allclose(ours, other, rtol=1e-6, atol=1e-9)


def test_a_resumed_one_goes_on_bit_for_bit():
    whole, half = make(Prodigy), make(Prodigy)
    learn(*whole, range(40))
    learn(*half, range(20))
    weights, optimizer = make(Prodigy)
    for weight, other in zip(weights, half[0], strict=True):
        weight.data.copy_(other.data)
    optimizer.load_state_dict(half[1].state_dict())
    assert learn(weights, optimizer, range(20, 40))[-1] == whole[1].tell()
    assert all(torch.equal(weight, other) for weight, other in zip(weights, whole[0], strict=True))


def test_without_a_gradient_nothing_is_found():
    weights, optimizer = make(Prodigy, weight_decay=0.0)
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert optimizer.tell() == pytest.approx(FIRST)
    assert all(torch.equal(weight, first) for weight, first in zip(weights, before, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits():
    weights, optimizer = make(Prodigy)
    weights = [torch.nn.Parameter(weight.detach().cuda()) for weight in weights]
    optimizer = Prodigy(weights, **OPTIONS)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()  # the first one makes its state
    torch.cuda.set_sync_debug_mode("error")
    try:
        optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
