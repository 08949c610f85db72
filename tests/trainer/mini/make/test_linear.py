"""The linear encoder: nearly linear, nearly without noise, and already worth something."""

import numpy as np
import pytest
import torch

from trainer.mini.make.autoencoder import to_tensor
from trainer.mini.make.linear import LATENTS, write_linear_encoder
from trainer.mini.make.parts import new_vae


@pytest.fixture(scope="module")
def written(with_pictures):
    pictures = to_tensor(np.load(with_pictures.drawings))
    vae = new_vae()
    write_linear_encoder(vae, pictures[:60])
    return vae, pictures[60:]


@torch.no_grad()
def test_it_adds_up(written):
    vae, x = written
    one, other, both = (vae.encode(part).latent_dist.mean for part in (x[:5], x[5:10], (x[:5] + x[5:10]) / 2))
    assert (both - (one + other) / 2).std() < 0.03 * both.std()


@torch.no_grad()
def test_the_latents_hold_the_picture(written):
    """A read-out by least squares, 16 latents -> 8 x 8 x 3 px, gives more than 20 dB on pictures that were not fitted."""
    vae, x = written
    distribution = vae.encode(x).latent_dist
    assert distribution.std.max() < 0.01
    z = distribution.mean.permute(0, 2, 3, 1).reshape(-1, LATENTS)
    z = torch.cat([z, torch.ones(len(z), 1)], 1)
    blocks = x.reshape(len(x), 3, 12, 8, 12, 8).permute(0, 2, 4, 1, 3, 5).reshape(len(z), -1)
    half = len(z) // 2
    read_out = torch.linalg.lstsq(z[:half], blocks[:half]).solution
    error = (z[half:] @ read_out - blocks[half:]).square().mean()
    assert 10 * torch.log10(4 / error) > 20
