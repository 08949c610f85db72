"""How noise levels are drawn: by the names and formulas that FLUX's trainers share.

kohya-ss/sd-scripts, library/flux_train_utils.py (48d368f), get_noisy_model_input_and_timesteps, has shift, flux_shift, sigmoid
and uniform. logit_normal is that of Esser et al. 2024 (arXiv 2403.03206), equation 19, not rounded to a thousandth; diffusers
counts its levels from the other end, so a mean of 0.5 there is one of -0.5 here."""

import torch
from torch import Tensor

from trainer.config import Train


def draw_sigmas(settings: Train, count: int, shift: float, generator: torch.Generator) -> Tensor:
    """Noise levels (count,) in fp32, 0 the image, 1 pure noise. `shift` is the model's, for the batch's number of tokens."""
    draw = torch.rand if settings.timesteps == "uniform" else torch.randn
    return make_sigmas(settings, draw(count, generator=generator), shift)


def make_sigmas(settings: Train, numbers: Tensor, shift: float) -> Tensor:
    """Noise levels of random numbers: uniform ones in 0..1 for `uniform`, standard normal ones for all others."""
    match settings.timesteps:
        case "uniform":
            return numbers
        case "logit_normal":
            return (settings.logit_mean + settings.logit_std * numbers).sigmoid()
        case "sigmoid":
            return (settings.sigmoid_scale * numbers).sigmoid()
    factor = shift if isinstance(settings.shift, str) else settings.shift  # flux_shift has no other than the model's
    return shift_sigmas((settings.sigmoid_scale * numbers).sigmoid(), factor)


def shift_sigmas(sigmas: Tensor, shift: float) -> Tensor:
    """Noise levels moved towards noise by a factor: Esser et al. 2024 (arXiv 2403.03206), equation 23.

    With e^mu for the factor it is time_shift of black-forest-labs/flux, src/flux/sampling.py."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)
