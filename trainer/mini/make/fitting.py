"""How each part is trained: AdamW, a learning rate that rises, stays and falls, and a moving average of the weights."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

REPORT_EVERY = 50  # steps


@dataclass(frozen=True)
class Recipe:
    """How long, and how fast."""

    steps: int
    learning_rate: float
    warmup: int  # steps
    decay: float  # share of all steps, at the end, over which the rate falls
    beta2: float
    weight_decay: float
    memory: float  # share of the moving average that outlives a step
    floor: float = 0.0  # share of the learning rate that the fall does not undercut

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * max(self.floor, min(1.0, (1 - step / self.steps) / self.decay))


class Average:
    """Moving average of weights. `with average:` puts it in their place for a while; young averages forget faster."""

    def __init__(self, weights: list[Parameter], memory: float):
        self.weights, self.memory, self.steps = weights, memory, 0
        self.shadow = [weight.detach().clone() for weight in weights]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        fresh = 1 - min(self.memory, self.steps / (self.steps + 10))
        torch._foreach_lerp_(self.shadow, [weight.data for weight in self.weights], fresh)

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, shadow in zip(self.weights, self.shadow, strict=True):
            kept = weight.data.clone()
            weight.data.copy_(shadow)
            shadow.copy_(kept)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()


def fit(
    weights: Iterable[Parameter],
    recipe: Recipe,
    find_loss: Callable[[], Tensor],
    look: Callable[[int], None] | None = None,
) -> list[float]:
    """Trains in place and leaves the moving average in the weights. Returns the loss of each step.

    `look` is called with the number of finished steps whenever progress is printed, the moving average in place."""
    weights = list(weights)
    optimizer = torch.optim.AdamW(weights, recipe.learning_rate, (0.9, recipe.beta2), weight_decay=recipe.weight_decay)
    average = Average(weights, recipe.memory)
    losses: list[float] = []
    start = time.monotonic()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        loss = find_loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        losses.append(loss.item())
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == recipe.steps:
            recent = losses[-REPORT_EVERY:]
            took = (time.monotonic() - start) / (step + 1)
            print(f"{step + 1}/{recipe.steps} loss {sum(recent) / len(recent):.4f}, {took * 1000:.0f} ms a step", flush=True)
            with average:
                if look:
                    look(step + 1)
    average.__enter__()
    return losses
