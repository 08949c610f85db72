"""A linear autoencoder written into the encoder's weights: smooth latents at once, before any training.

Three levels of principal components: each stride-2 convolution becomes the PCA of the 2 x 2 patches below it, and every
nonlinear branch is switched off or cancelled. End to end from random weights the same autoencoder stayed at an L1 of
0.35 after 150 steps; on these latents a decoder learns from the first step.
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from trainer.mini.make.parts import CHANNELS

LATENTS = 16
WHITENING = -0.2  # exponent on a channel's spread; full whitening (-1) would make noise of the faint channels
CONSTANT = 12.0  # of the channels that carry no picture; large, so that they alone set the scale of the last norm
LOG_VARIANCE = -12.0  # practically no sampling noise


@torch.no_grad()
def write_linear_encoder(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Fits the encoder of `vae` to `pictures` (N, 3, H, W) in -1..1, in closed form."""
    encoder = vae.encoder
    _clear(encoder.conv_in)
    for i in range(3):
        encoder.conv_in.weight[i, i, 1, 1] = 1
    residuals = [block for down in encoder.down_blocks for block in down.resnets] + list(encoder.mid_block.resnets)
    for block in residuals:
        _bypass(block)
    x = _vary_colours(pictures)
    for down, channels in zip(encoder.down_blocks[:3], CHANNELS[:3], strict=True):
        x = _write_level(down.downsamplers[0].conv, x, min(channels, 4 * x.shape[1]))
    _write_end(encoder, gains=x.std((0, 2, 3))[:LATENTS] ** WHITENING)


def _clear(layer: nn.Conv2d) -> None:
    layer.weight.zero_()
    layer.bias.zero_()


def _bypass(block: nn.Module) -> None:
    """A residual block that hands its input on."""
    _clear(block.conv2)
    if block.conv_shortcut is not None:
        _clear(block.conv_shortcut)
        for i in range(block.conv_shortcut.in_channels):
            block.conv_shortcut.weight[i, i, 0, 0] = 1


def _vary_colours(x: Tensor) -> Tensor:
    """Pictures in colours that they do not have are added, so that the components do not depend on these."""
    return torch.cat([x, x[::4][:, [2, 0, 1]], x[1::4][:, [1, 2, 0]], -x[2::8]])


def _write_level(conv: nn.Conv2d, x: Tensor, keep: int) -> Tensor:
    """Makes a stride-2 convolution the PCA of 2 x 2 patches of x (N, C, H, W). Returns its output (N, keep, H/2, W/2)."""
    n, have, height, width = x.shape
    patches = x.reshape(n, have, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, have * 4)
    mean = patches.mean(0)
    _, vectors = torch.linalg.eigh(torch.cov((patches - mean).T.double()))
    basis = vectors.flip(1)[:, :keep].T.float()  # largest first
    _clear(conv)
    conv.weight[:keep, :have, :2, :2] = basis.reshape(keep, have, 2, 2)
    conv.bias[:keep] = -(basis @ mean)
    padded = functional.pad(x, (0, 1, 0, 1))  # as diffusers pads in its downsampling
    return functional.conv2d(padded, conv.weight[:keep, :have], conv.bias[:keep], stride=2)


def _write_end(encoder: nn.Module, gains: Tensor) -> None:
    """Each component goes through the last norm and SiLU as +a and -a, and silu(a) - silu(-a) = a.

    The other channels hold a large constant of either sign, so that the norm divides by a known number."""
    shortcut = encoder.down_blocks[3].resnets[0].conv_shortcut
    _clear(shortcut)
    _clear(encoder.conv_out)
    for i in range(LATENTS):
        shortcut.weight[i, i, 0, 0], shortcut.weight[LATENTS + i, i, 0, 0] = 1, -1
    free = range(2 * LATENTS, CHANNELS[3])
    for i in free:
        shortcut.bias[i] = CONSTANT if i % 2 else -CONSTANT
    encoder.conv_norm_out.weight.fill_(1)
    encoder.conv_norm_out.bias.zero_()
    scale = CONSTANT * (len(free) / CHANNELS[3]) ** 0.5
    for i in range(LATENTS):
        encoder.conv_out.weight[i, i, 1, 1] = gains[i] * scale
        encoder.conv_out.weight[i, LATENTS + i, 1, 1] = -gains[i] * scale
    encoder.conv_out.bias[LATENTS:] = LOG_VARIANCE
