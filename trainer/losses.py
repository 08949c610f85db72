"""How an error counts: l2, or one of the losses that outliers cannot rule.

huber and smooth_l1 are the pseudo-Huber losses of kohya-ss/sd-scripts, library/train_util.py (48d368f), conditional_loss:
for errors far below delta huber is l2, far above it grows with their size; smooth_l1 is huber / delta."""

import torch
from torch import Tensor

from trainer.config import Train


def measure_error(settings: Train, velocity: Tensor, target: Tensor, sigmas: Tensor) -> Tensor:
    """The loss of each number (B, T, D), in fp32, of a prediction at noise levels (B,)."""
    error = velocity.float() - target.float()
    if settings.loss == "l2":
        return error.square()
    delta = find_delta(settings, sigmas).view(-1, *[1] * (error.dim() - 1))
    square = error.square()
    huber = 2 * delta * square / ((square + delta.square()).sqrt() + delta)  # = 2 delta (sqrt(..) - delta), without rounding
    return huber if settings.loss == "huber" else huber / delta


def find_delta(settings: Train, sigmas: Tensor) -> Tensor:
    """(B,): where a loss stops squaring, at noise levels (B,).

    kohya's get_huber_threshold_if_needed: delta^sigma, 1 for the image itself and delta for pure noise, or delta everywhere;
    its third schedule, snr, is for models that know no such noise levels."""
    if settings.huber_schedule == "exponential":
        return settings.huber_delta ** sigmas.float()
    return torch.full_like(sigmas, settings.huber_delta, dtype=torch.float32)


def mean_of_images(losses: Tensor, weights: Tensor | None, masks: Tensor | None) -> Tensor:
    """The mean over the images (B,) of the mean of each one's losses (B, T, D).

    `masks` (B, T, D) say how much each number counts, `weights` (B,) how much each image does. The means are those of all
    numbers and all images: what counts less makes the loss smaller (kohya's and OneTrainer's way), and parts add up."""
    of_images = (losses if masks is None else losses * masks).flatten(1).mean(1)  # (B,)
    return (of_images if weights is None else of_images * weights).mean()
