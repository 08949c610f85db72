"""Prodigy: AdamW that finds its own learning rate, d, from how far the weights have come.

Mishchenko and Defazio 2024 (arXiv 2306.06101), for Adam, as the authors' prodigyopt 1.1 does it with what they advise for
diffusion models: bias correction, decoupled weight decay, and a warm-up that d does not mistake for small gradients. Theirs
waits for the GPU twice for each weight, 1,672 times a step for FLUX.1; here d stays on the device and nothing waits."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

FIRST = 1e-6  # d before anything is known; it never falls
MEAN, SQUARE, SUM, START = "exp_avg", "exp_avg_sq", "s", "p0"  # of a weight: prodigyopt's names
FOUND, NUMERATOR = "d", "d_numerator"  # of all weights together, kept with the first


class Prodigy(torch.optim.Optimizer):
    """`lr` is a factor of the learning rate found: 1, or less in a warm-up and at the end."""

    def __init__(self, weights: Iterable[Tensor], lr: float, betas: tuple[float, float], eps: float, weight_decay: float):
        super().__init__(weights, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "steps": 0})
        self.weights: list[Tensor] = self.param_groups[0]["params"]
        self._told = torch.tensor(FIRST, pin_memory=self.weights[0].is_cuda)

    def tell(self) -> float:
        """d as far as a GPU has come: nobody waits for its last step."""
        return float(self._told)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Each weight needs its gradient."""
        assert closure is None
        (group,), weights, gradients = self.param_groups, self.weights, [weight.grad for weight in self.weights]
        state = self._ready()
        means, squares, sums = ([one[key] for one in state] for key in (MEAN, SQUARE, SUM))
        d, numerator, count = state[0][FOUND], state[0][NUMERATOR], group["steps"] + 1
        beta1, beta2 = group["betas"]
        beta3 = math.sqrt(beta2)
        rate = d * (group["lr"] * math.sqrt(1 - beta2**count) / (1 - beta1**count))

        ways = torch._foreach_sub([one[START] for one in state], weights)  # back to where they began
        dots = [torch.dot(one.flatten(), way.flatten()) for one, way in zip(gradients, ways, strict=True)]
        numerator.mul_(beta3).add_(d / FIRST * rate * torch.stack(dots).sum())
        scaled = torch._foreach_mul(gradients, d)
        torch._foreach_lerp_(means, scaled, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, scaled, scaled, 1 - beta2)
        torch._foreach_mul_(scaled, d)
        torch._foreach_mul_(sums, beta3)
        torch._foreach_add_(sums, scaled, alpha=1 / FIRST)
        denominator = torch.stack(torch._foreach_norm(sums, 1)).sum()
        d.copy_(torch.where(denominator > 0, numerator / denominator, d).maximum(d))

        roots = torch._foreach_sqrt(squares)
        torch._foreach_mul_(roots, 1 / d)  # so that eps is a number: mean / (root + d eps) = mean / d / (root / d + eps)
        torch._foreach_add_(roots, group["eps"])
        steps = torch._foreach_div(means, roots)
        torch._foreach_mul_(steps, rate / d)
        torch._foreach_mul_(weights, 1 - group["weight_decay"] * rate)
        torch._foreach_sub_(weights, steps)
        group["steps"] = count
        self._told.copy_(d, non_blocking=True)

    def _ready(self) -> list[dict[str, Any]]:
        """The state of each weight."""
        if not self.state:
            for weight in self.weights:
                zeros = {key: torch.zeros_like(weight) for key in (MEAN, SQUARE, SUM)}
                self.state[weight] = {**zeros, START: weight.detach().clone()}
            first = self.weights[0]
            self.state[first] |= {FOUND: first.new_tensor(FIRST), NUMERATOR: first.new_zeros(())}
        return [self.state[weight] for weight in self.weights]
