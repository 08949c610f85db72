"""The mathematics: packing, ids, noise levels and loss, against diffusers and against formulas written out again."""

import math

import pytest
import torch
from diffusers import FluxPipeline

from trainer.flow import (
    Batch,
    Noise,
    compute_loss,
    draw_noise,
    draw_validation_noise,
    shift_sigmas,
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return Batch(draw(3, 16, 8, 12), {"txt": draw(3, 24, 96), "pooled": draw(3, 64)})


def test_the_loss_is_the_formula(family, batch, transformer):
    noise = draw_noise(family, batch, seed=1, step=2, shift=1.5)
    got = compute_loss(family, transformer, batch, noise, guidance=1.0)
    losses = []
    for row in range(3):  # each image alone, in the latent's own shape, as the paper writes it
        sigma, x0 = noise.sigmas[row].item(), batch.latents[row]
        x1 = FluxPipeline._unpack_latents(noise.noise[row : row + 1], 64, 96, 8)[0]
        xt = sigma * x1 + (1 - sigma) * x0
        velocity = transformer(
            hidden_states=FluxPipeline._pack_latents(xt[None], 1, 16, 8, 12),
            timestep=torch.tensor([sigma]),
            guidance=torch.tensor([1.0]),
            encoder_hidden_states=batch.conditions["txt"][row : row + 1],
            pooled_projections=batch.conditions["pooled"][row : row + 1],
            txt_ids=torch.zeros(24, 3),
            img_ids=FluxPipeline._prepare_latent_image_ids(1, 4, 6, "cpu", torch.float32),
        ).sample
        wanted = x1 - x0
        losses.append(((FluxPipeline._unpack_latents(velocity, 64, 96, 8)[0] - wanted) ** 2).mean())
    assert got.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_a_perfect_prediction_costs_nothing_and_the_wrong_sign_does(family, batch, monkeypatch):
    noise = draw_noise(family, batch, seed=1, step=2, shift=1.0)
    velocity = noise.noise - family.pack(batch.latents)
    monkeypatch.setattr(family, "predict", lambda sign, *_: sign * velocity)
    assert compute_loss(family, 1, batch, noise, 1.0).item() == 0
    assert compute_loss(family, -1, batch, noise, 1.0).item() > 1


def test_noise_depends_on_seed_and_step_alone(family, batch):
    first = draw_noise(family, batch, 1, 7, 2.0)
    torch.manual_seed(0)
    torch.randn(100)
    state = torch.get_rng_state()
    again = draw_noise(family, batch, 1, 7, 2.0)
    assert torch.equal(first.noise, again.noise) and torch.equal(first.sigmas, again.sigmas)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    for seed, step in [(1, 8), (2, 7), (7, 1)]:
        assert not torch.equal(draw_noise(family, batch, seed, step, 2.0).noise, first.noise)


def test_noise_levels_are_a_shifted_logit_normal(family, batch):
    many = Batch(torch.zeros(20_000, 16, 2, 2), batch.conditions)
    sigmas = draw_noise(family, many, 1, 1, 1.0).sigmas
    quantiles = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    normal = torch.distributions.Normal(0, 1).icdf(quantiles)
    assert torch.allclose(sigmas.quantile(quantiles), normal.sigmoid(), atol=0.01)
    shifted = draw_noise(family, many, 1, 1, 3.0).sigmas
    assert torch.allclose(torch.logit(shifted), torch.logit(sigmas) + math.log(3.0), atol=1e-3), "a shift adds to the logit"
    assert torch.equal(shift_sigmas(torch.tensor([0.0, 1.0]), 3.0), torch.tensor([0.0, 1.0]))


def test_validation_noise_is_fixed_and_spread_over_all_levels(family, batch):
    eight = Batch(batch.latents[:1].repeat(8, 1, 1, 1), batch.conditions)
    first, again = draw_validation_noise(family, eight, "image a"), draw_validation_noise(family, eight, "image a")
    assert torch.equal(first.noise, again.noise)
    assert first.sigmas.tolist() == [(number + 0.5) / 8 for number in range(8)]
    assert not torch.equal(draw_validation_noise(family, eight, "image b").noise, first.noise)


def test_rows_are_taken_together(batch):
    noise = Noise(torch.arange(3.0), torch.arange(3.0)[:, None, None].expand(3, 2, 4))
    part = noise.take(slice(1, None, 2), torch.device("cpu"))
    assert part.sigmas.tolist() == [1] and part.noise[:, 0, 0].tolist() == [1]
    assert torch.equal(batch.take(slice(0, None, 2), torch.device("cpu")).latents, batch.latents[[0, 2]])
