"""The mathematics: packing, ids, noise levels and loss, against diffusers and against formulas written out again."""

import math

import pytest
import torch
from diffusers import FluxPipeline

from trainer.config import Train
from trainer.flow import (
    Batch,
    Noise,
    compute_loss,
    draw_noise,
    draw_validation_noise,
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return Batch(draw(3, 16, 8, 12), {"txt": draw(3, 24, 96), "pooled": draw(3, 64)})


def test_the_loss_is_the_formula(family, batch, transformer):
    noise = draw_noise(family, batch, Train(seed=1, shift=1.5), step=2)
    got = compute_loss(family, transformer, batch, noise, Train())
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
    noise = draw_noise(family, batch, Train(seed=1), step=2)
    velocity = noise.noise - family.pack(batch.latents)
    monkeypatch.setattr(family, "predict", lambda sign, *_: sign * velocity)
    assert compute_loss(family, 1, batch, noise, Train()).item() == 0
    assert compute_loss(family, -1, batch, noise, Train()).item() > 1


def test_noise_depends_on_seed_and_step_alone(family, batch):
    first = draw_noise(family, batch, Train(seed=1), 7)
    torch.manual_seed(0)
    torch.randn(100)
    state = torch.get_rng_state()
    again = draw_noise(family, batch, Train(seed=1), 7)
    assert torch.equal(first.noise, again.noise) and torch.equal(first.sigmas, again.sigmas)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    for seed, step in [(1, 8), (2, 7), (7, 1)]:
        assert not torch.equal(draw_noise(family, batch, Train(seed=seed), step).noise, first.noise)


def test_the_shift_follows_the_batch_s_own_number_of_tokens(family, batch):
    """Another bucket, another shift; the levels are otherwise those of the same step."""
    tall = Batch(torch.zeros(3, 16, 16, 48), batch.conditions)
    plain, few, many = (
        draw_noise(family, images, Train(seed=1, timesteps=name), 3).sigmas
        for images, name in ((batch, "sigmoid"), (batch, "flux_shift"), (tall, "flux_shift"))
    )
    for sigmas, tokens in ((few, 24), (many, 192)):
        assert torch.allclose(torch.logit(sigmas), torch.logit(plain) + math.log(family.find_shift(tokens)), atol=1e-5)


def test_masks_and_weights_count(family, batch, transformer):
    """A mask is packed as the latents are; parts of a batch add up with both."""
    noise, mask = draw_noise(family, batch, Train(), step=2), torch.zeros(3, 1, 8, 12)
    mask[..., 4:, :6] = 1
    weights = torch.tensor([1.0, 0.5, 0.0])
    whole = Batch(batch.latents, batch.conditions, weights, mask)
    velocity = family.predict(
        transformer,
        (1 - noise.sigmas[:, None, None]) * family.pack(batch.latents) + noise.sigmas[:, None, None] * noise.noise,
        batch,
        noise.sigmas,
        1.0,
    )
    error = family.unpack((velocity - (noise.noise - family.pack(batch.latents))) ** 2, 8, 12)
    expected = sum(weights[row] * error[row, :, 4:, :6].sum() / error[row].numel() for row in range(3)) / 3
    got = compute_loss(family, transformer, whole, noise, Train())
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)
    parts = [slice(0, 1), slice(1, 3)]
    cpu = torch.device("cpu")
    losses = [compute_loss(family, transformer, whole.take(rows, cpu), noise.take(rows, cpu), Train()) for rows in parts]
    assert (losses[0] / 3 + losses[1] * 2 / 3).item() == pytest.approx(got.item(), rel=1e-5)


def test_another_loss_is_taken(family, batch, transformer):
    noise = draw_noise(family, batch, Train(), step=2)
    l2, huber, smooth = (
        compute_loss(family, transformer, batch, noise, Train(loss=name, huber_delta=0.1))
        for name in ("l2", "huber", "smooth_l1")
    )
    assert huber < l2 and smooth.item() == pytest.approx(10 * huber.item(), rel=1e-5)


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
