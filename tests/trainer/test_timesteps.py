"""Noise levels equal the published formulas, written here from their definition, and have the means that follow from them."""

import math

import pytest
import torch

from trainer.config import Train
from trainer.flow import make_generator
from trainer.flux1 import Flux1
from trainer.timesteps import draw_sigmas, make_sigmas, shift_sigmas

NORMAL = torch.randn(1000, generator=make_generator("normal"))


def sigmoid(number):
    return 1 / (1 + math.exp(-number))


def shifted(sigma, shift):
    """kohya's shift."""
    return sigma * shift / (1 + (shift - 1) * sigma)


def time_shift(mu, sigma, t):
    """Black Forest's and kohya's."""
    return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)


def mu(tokens):
    """The line through (256, 0.5) and (4096, 1.15)."""
    slope = (1.15 - 0.5) / (4096 - 256)
    return slope * tokens + 0.5 - slope * 256


@pytest.mark.parametrize(
    ("settings", "formula"),
    [
        ({"timesteps": "sigmoid"}, sigmoid),
        ({"timesteps": "sigmoid", "sigmoid_scale": 1.7}, lambda number: sigmoid(1.7 * number)),
        ({"timesteps": "shift", "shift": 3.0}, lambda number: shifted(sigmoid(number), 3.0)),
        ({"timesteps": "shift", "shift": 3.1582, "sigmoid_scale": 0.5}, lambda number: shifted(sigmoid(number / 2), 3.1582)),
        ({"timesteps": "shift"}, lambda number: time_shift(mu(1024), 1.0, sigmoid(number))),
        ({"timesteps": "flux_shift"}, lambda number: time_shift(mu(1024), 1.0, sigmoid(number))),
        ({"timesteps": "flux_shift", "sigmoid_scale": 2.0}, lambda number: time_shift(mu(1024), 1.0, sigmoid(2 * number))),
        ({"timesteps": "logit_normal"}, sigmoid),
        ({"timesteps": "logit_normal", "logit_mean": 0.5, "logit_std": 0.7}, lambda number: sigmoid(0.5 + 0.7 * number)),
    ],
)
def test_the_published_formulas(settings, formula):
    sigmas = make_sigmas(Train(**settings), NORMAL, math.exp(mu(1024)))
    assert sigmas.dtype == torch.float32
    expected = torch.tensor([formula(number) for number in NORMAL.tolist()], dtype=torch.float64)
    assert (sigmas.double() - expected).abs().max() < 1e-6


def test_uniform_numbers_are_the_levels():
    numbers = torch.rand(100, generator=make_generator("uniform"))
    assert torch.equal(make_sigmas(Train(timesteps="uniform"), numbers, 3.0), numbers)


@pytest.mark.parametrize(
    ("settings", "tokens", "mean"),
    [
        ({"timesteps": "sigmoid"}, 1024, 0.50),
        ({"timesteps": "uniform"}, 1024, 0.50),
        ({"timesteps": "logit_normal"}, 1024, 0.50),
        ({"timesteps": "shift", "shift": 3.0}, 1024, 0.71),
        ({"timesteps": "flux_shift"}, 1024, 0.63),
        ({"timesteps": "flux_shift"}, 4096, 0.72),
    ],
)
def test_means_and_quantiles(settings, tokens, mean):
    """The means are those measured of the other trainers; half of the levels lie below the median that a formula gives."""
    settings, shift = Train(**settings), math.exp(mu(tokens))
    sigmas = draw_sigmas(settings, 200_000, shift, make_generator("many"))
    assert sigmas.mean().item() == pytest.approx(mean, abs=0.006)
    assert sigmas.min() >= 0 and sigmas.max() <= 1
    middle = torch.tensor([0.5 if settings.timesteps == "uniform" else 0.0])
    median = make_sigmas(settings, middle, shift).item()
    assert (sigmas < median).float().mean().item() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(("tokens", "expected"), [(1024, 0.630), (2304, 0.847), (4096, 1.15)])
def test_the_model_s_own_shift(tokens, expected):
    shift = Flux1.find_shift(None, tokens)
    assert math.log(shift) == pytest.approx(expected, abs=5e-4) and math.log(shift) == pytest.approx(mu(tokens), abs=1e-9)


def test_a_shift_of_one_changes_nothing():
    sigmas = torch.linspace(0, 1, 11)
    assert torch.allclose(shift_sigmas(sigmas, 1.0), sigmas, atol=1e-7)
    assert torch.equal(shift_sigmas(torch.tensor([0.0, 1.0]), 5.0), torch.tensor([0.0, 1.0]))


def test_they_depend_on_the_generator_alone():
    first, again, other = (draw_sigmas(Train(), 4, 2.0, make_generator(key)) for key in ("a", "a", "b"))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_number_in_settings_of_old_is_a_shift():
    assert Train(shift=3.0).timesteps == "shift" and Train().timesteps == Train(shift="auto").timesteps == "flux_shift"
