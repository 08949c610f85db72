"""Flow matching: noise, interpolation and velocity, and the noise levels. What the tokens of an image are its family says.

Shapes, here and in the whole package: B batch; C latent channels, H and W of the latent; T image tokens of D channels;
L text tokens. For FLUX.1 C is 16, H and W an eighth of the image, T = H/2 * W/2 and D = 4C."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainer.config import Train
from trainer.losses import mean_of_images, measure_error
from trainer.timesteps import draw_sigmas

if TYPE_CHECKING:
    from trainer.family import Family

VALIDATION_SIGMAS = 8  # noise levels at which each held-out image is measured


@dataclass(frozen=True)
class Batch:
    """Images and captions, ready for the transformer. All images of a batch have one size."""

    latents: Tensor  # (B, C, H, W)
    conditions: dict[str, Tensor]  # (B, ...) each, what the texts were made into, by the names of the family
    weights: Tensor | None = None  # (B,) how much each image counts; unset: 1
    masks: Tensor | None = None  # (B, 1, H, W) how much each place counts; unset: 1

    def __len__(self) -> int:
        return len(self.latents)

    def take(self, rows: slice, device: torch.device) -> "Batch":
        """Some of the rows, on a device."""

        return Batch(
            send(self.latents[rows], device),
            {name: send(tensor[rows], device) for name, tensor in self.conditions.items()},
            None if self.weights is None else send(self.weights[rows], device),
            None if self.masks is None else send(self.masks[rows], device),
        )


@dataclass(frozen=True)
class Noise:
    """What is random in a step."""

    sigmas: Tensor  # (B,) noise level, 0 the image, 1 pure noise
    noise: Tensor  # (B, T, D)

    def take(self, rows: slice, device: torch.device) -> "Noise":
        """The same rows of it, on a device."""
        return Noise(send(self.sigmas[rows], device), send(self.noise[rows], device))


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device. Only from pinned memory does a GPU copy while the CPU goes on."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def compute_loss(family: "Family", transformer: Any, batch: Batch, random: Noise, settings: Train) -> Tensor:
    """How far the predicted velocity is off, in fp32: the mean of each image, then of all, so that parts of a batch add up.

    Rectified flow with the velocity as target: Esser et al. 2024 (arXiv 2403.03206), equations 1 and 13."""
    img = family.pack(batch.latents)  # (B, T, D)
    sigmas, noise = random.sigmas[:, None, None], random.noise
    noisy = (1 - sigmas) * img + sigmas * noise
    target = noise - img
    velocity = family.predict(transformer, noisy, batch, random.sigmas, settings.guidance)
    losses = measure_error(settings, velocity, target, random.sigmas)
    masks = None if batch.masks is None else family.pack(batch.masks.expand_as(batch.latents))
    return mean_of_images(losses, batch.weights, masks)


def draw_noise(family: "Family", batch: Batch, settings: Train, step: int) -> Noise:
    """The random part of one step: a function of (seed, step) alone, so that a resumed training draws the same.

    Of the whole batch, of which each process takes its rows. Drawn on the CPU, so that it is the same on every device."""
    generator, img = make_generator("step", settings.seed, step), family.pack(batch.latents)
    sigmas = draw_sigmas(settings, len(img), family.find_shift(img.shape[1]), generator)
    return Noise(sigmas, torch.randn(img.shape, generator=generator))


def draw_validation_noise(family: "Family", batch: Batch, key: str) -> Noise:
    """Fixed noise and evenly spread noise levels for one image that stands VALIDATION_SIGMAS times in the batch."""
    img = family.pack(batch.latents)
    sigmas = (torch.arange(len(img)) + 0.5) / len(img)
    return Noise(sigmas, torch.randn(img.shape, generator=make_generator("validation", key)))


def make_generator(*key: object) -> torch.Generator:
    """A generator on the CPU whose numbers depend on the key alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
