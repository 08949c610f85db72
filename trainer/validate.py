"""The loss on held-out images at fixed noise and noise levels: of all curves the only one in which two numbers compare.

The loss of a training step is mostly that of the noise level which was drawn."""

import torch
from torch import Tensor

from trainer.dataset import Item
from trainer.feed import show_held_out
from trainer.flow import VALIDATION_SIGMAS, compute_loss, draw_validation_noise
from trainer.prepare import Training
from trainer.report import count, say

EVERY_VALIDATED = 30.0  # s between two lines about it


@torch.no_grad()
def validate(training: Training) -> None:
    """Says the mean over the held-out images, of which each process measures its share.

    A stop of any process breaks it off without a number: the resume does it again."""
    training.tally.read_all()
    held_out, accelerator = training.images.held_out, training.accelerator
    if not held_out:
        return
    told = torch.zeros(2, dtype=torch.float64, device=accelerator.device)  # the sum of the losses; whether a stop came
    share = held_out[accelerator.process_index :: accelerator.num_processes]
    with training.averaged():
        for item in count("Validating", share, EVERY_VALIDATED):
            loss = measure(training, item)
            if loss is None:
                told[1] = 1
                break
            told[0] += loss
    if accelerator.num_processes > 1:
        told = accelerator.reduce(told, reduction="sum")
    loss, stops = told.tolist()
    if not stops:
        say(f"Validation: loss {loss / len(held_out):.4f} at step {training.progress.step}")


def measure(training: Training, item: Item) -> Tensor | None:
    """The loss of one image, the mean over all noise levels; None when a stop came in between.

    Always l2, so that trainings with another loss compare."""
    device, settings = training.accelerator.device, training.config.train.model_copy(update={"loss": "l2"})
    size = min(training.engine.arrangement.images_at_once, VALIDATION_SIGMAS)
    batch = training.material.make_batch([show_held_out(training.config.data, item)] * VALIDATION_SIGMAS)
    noise = draw_validation_noise(training.family, batch, item.digest)
    total = torch.zeros((), dtype=torch.float64, device=device)
    for start in range(0, VALIDATION_SIGMAS, size):
        if training.stop:
            return None
        rows = slice(start, start + size)
        part = noise.take(rows, device)
        total += compute_loss(training.family, training.model, batch.take(rows, device), part, settings) * len(part.sigmas)
    return total / VALIDATION_SIGMAS
