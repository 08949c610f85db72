"""Lion: steps of one size, in the direction of the sign. Chen et al. 2023 (arXiv 2302.06675).

Wants a third to a tenth of AdamW's learning rate, and keeps one moment instead of two."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

MEAN = "exp_avg"


class Lion(torch.optim.Optimizer):
    def __init__(self, weights: Iterable[Tensor], lr: float, betas: tuple[float, float], weight_decay: float):
        super().__init__(weights, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Each weight needs its gradient."""
        assert closure is None
        (group,) = self.param_groups
        weights, (beta1, beta2) = group["params"], group["betas"]
        gradients = [weight.grad for weight in weights]
        if not self.state:
            for weight in weights:
                self.state[weight][MEAN] = torch.zeros_like(weight)
        means = [self.state[weight][MEAN] for weight in weights]
        signs = torch._foreach_lerp(means, gradients, 1 - beta1)
        torch._foreach_sign_(signs)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, signs, alpha=-group["lr"])
        torch._foreach_lerp_(means, gradients, 1 - beta2)
