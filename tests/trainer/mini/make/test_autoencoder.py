"""The autoencoder: training lowers the loss, latents are normalised, and flux-mini's own is as good as README says."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from trainer.mini import MODEL
from trainer.mini.make import autoencoder
from trainer.mini.make.fitting import Recipe
from trainer.mini.make.linear import write_linear_encoder
from trainer.mini.make.parts import new_vae
from trainer.mini.make.subjects import SUBJECTS


def test_the_decoder_learns_while_the_encoder_stands_still(with_pictures):
    pictures, vae = np.load(with_pictures.drawings), new_vae()
    write_linear_encoder(vae, autoencoder.to_tensor(pictures))
    autoencoder.start_decoder(vae.decoder)
    before = [weight.clone() for weight in vae.encoder.parameters()]
    recipe = Recipe(16, 3e-3, warmup=3, decay=0.5, beta2=0.99, weight_decay=0.0, memory=0.5)
    losses = autoencoder.train(vae, pictures, recipe, with_encoder=False)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert all(torch.equal(old, new) for old, new in zip(before, vae.encoder.parameters(), strict=True))


def test_what_is_written_fits_together(with_latents):
    vae, latents = AutoencoderKL.from_pretrained(with_latents.vae), torch.load(with_latents.latents)
    assert latents.shape == (72, 16, 12, 12)
    assert latents.mean().abs() < 0.01
    assert latents.std() == pytest.approx(1, abs=0.01)
    with torch.no_grad():
        z = vae.encode(autoencoder.to_tensor(np.load(with_latents.scenes)[:2])).latent_dist.mean
    assert torch.allclose((z - vae.config.shift_factor) * vae.config.scaling_factor, latents[:2], atol=1e-3)


def test_flux_mini_keeps_what_it_is_shown(font):
    vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
    scenes, robots = autoencoder.draw_unseen(list(SUBJECTS))
    assert autoencoder.measure_psnr(vae, scenes) == pytest.approx(28.6, abs=0.1)
    assert autoencoder.measure_psnr(vae, robots) == pytest.approx(24.1, abs=0.1)
