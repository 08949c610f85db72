"""What is drawn, measured and saved instead of the weights of the last step: their moving average, where there is one.

A LoRA's A and B are averaged each for itself, as every trainer does; the product of the averages is close to the average of
the products where both move slowly."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainer.optimizers import find_average

Tensors = dict[str, Tensor]


class Ema:
    """An exponential moving average of the weights, in fp32 beside them on their device."""

    def __init__(self, weights: Tensors, decay: float):
        self.decay = decay
        self.shadow = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, weights: Tensors, step: int) -> None:
        """Takes in the weights after `step` steps. No other number is kept, so a resumed average is the same."""
        new = [weights[name].detach() for name in self.shadow]
        torch._foreach_lerp_(list(self.shadow.values()), new, 1 - find_decay(step, self.decay))


def find_decay(step: int, decay: float) -> float:
    """How much of the average is kept after `step` steps: at first less, so that it forgets where the training began.

    min(decay, (1 + n) / (10 + n)): TensorFlow's ExponentialMovingAverage with num_updates; so in torch-ema and ai-toolkit."""
    return min(decay, (1 + step) / (10 + step))


def averaged(weights: Tensors, optimizer: Optimizer, ema: Ema | None) -> AbstractContextManager[None]:
    """For as long as it runs the model has the average for its weights, where the settings ask for one or the optimizer has."""
    return swapped_in(weights, ema.shadow if ema else find_average(optimizer, weights))


@contextmanager
def swapped_in(weights: Tensors, average: Tensors | None) -> Iterator[None]:
    """For as long as the block runs the model has the average for its weights; nothing is copied."""
    if average is None:
        yield
        return
    _swap(weights, average)
    try:
        yield
    finally:
        _swap(weights, average)


def _swap(weights: Tensors, others: Tensors) -> None:
    for name, weight in weights.items():
        weight.data, others[name].data = others[name].data, weight.data
