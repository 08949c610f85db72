"""Lion beside another one."""

import pytest
import torch

from trainer.flow import make_generator
from trainer.lion import Lion


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_is_that_of_bitsandbytes(weight_decay):
    from bitsandbytes.optim import Lion as Theirs

    first = torch.randn(64, 80, generator=make_generator("lion"))
    ours, theirs = (torch.nn.Parameter(first.clone()) for _ in range(2))
    options = {"lr": 1e-2, "betas": (0.9, 0.99), "weight_decay": weight_decay}
    own, other = Lion([ours], **options), Theirs([theirs], **options)
    for step in range(20):
        ours.grad = torch.randn(64, 80, generator=make_generator("gradient", step))
        theirs.grad = ours.grad.clone()
        own.step()
        other.step()
    assert torch.allclose(ours, theirs, atol=1e-6) and not torch.allclose(ours, first, atol=1e-2)
