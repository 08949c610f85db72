"""Flow matching as FLUX.1 is trained: noise, interpolation and velocity; noise levels; the packing of latents into tokens.

Shapes, here and in the whole package: B batch, C latent channels (16), H and W of the latent (an eighth of the image),
T = H/2 * W/2 image tokens of 4C channels, L text tokens of D channels, P channels of the pooled text."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

VALIDATION_SIGMAS = 8  # noise levels at which each held-out image is measured


@dataclass(frozen=True)
class Batch:
    """Images and captions, ready for the transformer."""

    latents: Tensor  # (B, C, H, W)
    txt: Tensor  # (B, L, D)
    pooled: Tensor  # (B, P)

    def take(self, rows: slice, device: torch.device) -> "Batch":
        """Some of the rows, on a device."""
        return Batch(*(tensor[rows].to(device) for tensor in (self.latents, self.txt, self.pooled)))


@dataclass(frozen=True)
class Noise:
    """What is random in a step."""

    sigmas: Tensor  # (B,) noise level, 0 the image, 1 pure noise
    noise: Tensor  # (B, T, 4C)

    def take(self, rows: slice, device: torch.device) -> "Noise":
        """The same rows of it, on a device."""
        return Noise(self.sigmas[rows].to(device), self.noise[rows].to(device))


def compute_loss(transformer: Any, batch: Batch, random: Noise, guidance: float) -> Tensor:
    """Mean squared error of the predicted velocity, in fp32. `transformer` may be wrapped for several processes.

    Rectified flow with the velocity as target: Esser et al. 2024 (arXiv 2403.03206), equations 1 and 13."""
    img = pack(batch.latents)  # (B, T, 4C)
    sigmas = random.sigmas[:, None, None]
    noise = random.noise
    noisy = (1 - sigmas) * img + sigmas * noise
    target = noise - img
    velocity = predict(transformer, noisy, batch, random.sigmas, guidance)
    return (velocity.float() - target).square().mean()


def predict(transformer: Any, img: Tensor, batch: Batch, sigmas: Tensor, guidance: float) -> Tensor:
    """The transformer's velocity for noisy tokens (B, T, 4C), at its own precision."""
    model = getattr(transformer, "module", transformer)
    dtype, device = model.dtype, img.device
    height, width = batch.latents.shape[2:]
    return transformer(
        hidden_states=img.to(dtype),
        timestep=sigmas.to(dtype),  # 0..1: FluxTransformer2DModel multiplies by 1000 itself
        guidance=torch.full_like(sigmas, guidance) if model.config.guidance_embeds else None,
        encoder_hidden_states=batch.txt.to(dtype),
        pooled_projections=batch.pooled.to(dtype),
        txt_ids=torch.zeros(batch.txt.shape[1], 3, device=device, dtype=dtype),
        img_ids=make_img_ids(height, width).to(device, dtype),
        return_dict=False,
    )[0]


def draw_noise(batch: Batch, seed: int, step: int, shift: float) -> Noise:
    """The random part of one step: a function of (seed, step) alone, so that a resumed training draws the same.

    Drawn on the CPU, so that it is the same on every device."""
    generator = make_generator("step", seed, step)
    sigmas = torch.randn(len(batch.latents), generator=generator).sigmoid()
    return Noise(shift_sigmas(sigmas, shift), _draw_tokens(batch, generator))


def draw_validation_noise(batch: Batch, key: str) -> Noise:
    """Fixed noise and evenly spread noise levels for one image that stands VALIDATION_SIGMAS times in the batch."""
    size = len(batch.latents)
    return Noise((torch.arange(size) + 0.5) / size, _draw_tokens(batch, make_generator("validation", key)))


def _draw_tokens(batch: Batch, generator: torch.Generator) -> Tensor:
    size, channels, height, width = batch.latents.shape
    return torch.randn(size, height // 2 * (width // 2), 4 * channels, generator=generator)


def shift_sigmas(sigmas: Tensor, shift: float) -> Tensor:
    """Noise levels moved towards noise by a factor: Esser et al. 2024 (arXiv 2403.03206), equation 23."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def resolve_shift(shift: float | str, tokens: int) -> float:
    """FLUX's rule for 'auto': e^mu, mu a line through 0.5 at 256 and 1.15 at 4096 image tokens.

    black-forest-labs/flux, src/flux/sampling.py, get_lin_function and time_shift."""
    if not isinstance(shift, str):
        return shift
    return math.exp(0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256))


def pack(latents: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, T, 4C): each token is a patch of 2x2."""
    size, channels, height, width = latents.shape
    patches = latents.reshape(size, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(size, height // 2 * (width // 2), channels * 4)


def unpack(img: Tensor, height: int, width: int) -> Tensor:
    """(B, T, 4C) -> (B, C, H, W); height and width of the latent."""
    size, _, channels = img.shape
    patches = img.reshape(size, height // 2, width // 2, channels // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return patches.reshape(size, channels // 4, height, width)


def make_img_ids(height: int, width: int) -> Tensor:
    """(T, 3): for each token 0, its row and its column; height and width of the latent."""
    rows, columns = torch.arange(height // 2.0), torch.arange(width // 2.0)
    return torch.stack(torch.meshgrid(torch.zeros(1), rows, columns, indexing="ij"), dim=-1).reshape(-1, 3)


def make_generator(*key: object) -> torch.Generator:
    """A generator on the CPU whose numbers depend on the key alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
