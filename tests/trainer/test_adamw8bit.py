"""AdamW in 8 bits beside the library's own, which waits after each weight."""

import pytest
import torch
from bitsandbytes.optim import AdamW8bit as Theirs

from trainer.adamw8bit import AdamW8bit
from trainer.flow import make_generator

SHAPES = (64, 80), (80, 64), (7,)
OPTIONS = {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}


def learn(kind, device="cpu"):
    generator = make_generator("adamw8bit")
    weights = [torch.nn.Parameter(torch.randn(shape, generator=generator).to(device)) for shape in SHAPES]
    optimizer = kind(weights, **OPTIONS)
    for step in range(10):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=make_generator(step, weight.shape)).to(device)
        optimizer.step()
    return weights, optimizer


def test_it_is_that_of_the_library():
    (weights, optimizer), (expected, _) = learn(AdamW8bit), learn(Theirs)
    assert all(torch.equal(weight, other) for weight, other in zip(weights, expected, strict=True))
    assert [optimizer.state[weight]["state1"].dtype for weight in weights] == [torch.uint8, torch.uint8, torch.float32]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits():
    _, optimizer = learn(AdamW8bit, "cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
