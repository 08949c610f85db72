"""How an error counts: the published formulas, images one by one, masks and weights."""

import pytest
import torch

from trainer.config import Train
from trainer.flow import make_generator
from trainer.losses import find_delta, mean_of_images, measure_error

GENERATOR = make_generator("losses")
VELOCITY, TARGET = (torch.randn(3, 5, 8, generator=GENERATOR) for _ in range(2))
SIGMAS = torch.tensor([0.0, 0.5, 1.0])


def huber(error, delta):
    """kohya's, in float64, where its rounding does not show."""
    return 2 * delta * ((error**2 + delta**2) ** 0.5 - delta)


@pytest.mark.parametrize(
    ("settings", "deltas"),
    [
        ({"huber_delta": 0.3}, [0.3, 0.3, 0.3]),
        ({"huber_delta": 0.1, "huber_schedule": "exponential"}, [1.0, 0.1**0.5, 0.1]),
    ],
)
def test_the_published_formulas(settings, deltas):
    error = (VELOCITY - TARGET).double()
    delta = torch.tensor(deltas, dtype=torch.float64)
    assert find_delta(Train(**settings), SIGMAS).tolist() == pytest.approx(deltas)
    measured = {name: measure_error(Train(loss=name, **settings), VELOCITY, TARGET, SIGMAS) for name in ("huber", "smooth_l1")}
    expected = huber(error, delta[:, None, None])
    assert torch.allclose(measured["huber"].double(), expected, rtol=1e-5, atol=0)
    assert torch.allclose(measured["smooth_l1"].double(), expected / delta[:, None, None], rtol=1e-5, atol=0)
    assert torch.equal(measure_error(Train(**settings), VELOCITY, TARGET, SIGMAS), (VELOCITY - TARGET) ** 2), "l2"


def test_small_errors_count_as_squares_and_large_ones_by_size():
    settings, none = Train(loss="huber", huber_delta=0.1), torch.zeros(2, 1, 1)
    small, large = (torch.full((2, 1, 1), error) for error in (1e-4, 100.0))
    assert measure_error(settings, small, none, SIGMAS[:2]).flatten().tolist() == pytest.approx([1e-8, 1e-8], rel=1e-5)
    assert measure_error(settings, large, none, SIGMAS[:2]).flatten().tolist() == pytest.approx([20, 20], rel=2e-3)


def test_a_prediction_in_bf16_is_measured_in_fp32():
    loss = measure_error(Train(), VELOCITY.bfloat16(), TARGET, SIGMAS)
    assert loss.dtype == torch.float32 and torch.equal(loss, (VELOCITY.bfloat16().float() - TARGET) ** 2)


@pytest.mark.parametrize("parts", [[3], [1, 2], [1, 1, 1]])
def test_parts_of_a_batch_add_up(parts):
    """Weighted by how many images are in each: the mean of the whole, masks and weights included."""
    losses = (VELOCITY - TARGET) ** 2
    weights, masks = torch.tensor([1.0, 0.5, 2.0]), torch.rand(3, 5, 8, generator=GENERATOR)
    whole = mean_of_images(losses, weights, masks)
    rows = torch.arange(3).split(parts)
    summed = sum(mean_of_images(losses[part], weights[part], masks[part]) * len(part) / 3 for part in rows)
    assert summed.item() == pytest.approx(whole.item(), rel=1e-6)
    expected = sum(weights[image] * (losses[image] * masks[image]).mean() for image in range(3)) / 3
    assert whole.item() == pytest.approx(expected.item(), rel=1e-6)


def test_without_masks_and_weights_it_is_the_plain_mean():
    losses = (VELOCITY - TARGET) ** 2
    assert mean_of_images(losses, None, None).item() == pytest.approx(losses.mean().item(), rel=1e-6)
    assert mean_of_images(losses, torch.ones(3), torch.ones(3, 5, 8)).item() == pytest.approx(losses.mean().item(), rel=1e-6)
    assert mean_of_images(losses, None, torch.zeros(3, 5, 8)).item() == 0, "an empty mask is no division by zero"
