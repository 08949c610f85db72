"""Settings that were given in vain are told, and no others."""

import pytest

from trainer.config import Train
from trainer.unused import USED_WITH, find_unused, warn_of_unused


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"optimizer": "prodigy", "learning_rate": 2e-4}, "train.learning_rate: 0.0002 is ignored, prodigy finds it by itself"),
        (
            {"optimizer": "adafactor", "beta1": 0.5},
            "train.beta1: 0.5 is ignored with optimizer adafactor, it is for adamw and ",
        ),
        ({"optimizer": "lion", "eps": 1e-6}, "train.eps: 1e-06 is ignored with optimizer lion, it is for adamw and adamw8bit"),
        ({"logit_mean": 0.5}, "train.logit_mean: 0.5 is ignored with timesteps flux_shift, it is for logit_normal"),
        ({"timesteps": "uniform", "shift": 3.0}, "train.shift: 3.0 is ignored with timesteps uniform, it is for shift and "),
        ({"huber_delta": 0.5}, "train.huber_delta: 0.5 is ignored with loss l2, it is for huber and smooth_l1"),
        (
            {"schedule": "cosine", "cycles": 5},
            "train.cycles: 5 is ignored with schedule cosine, it is for cosine_with_restarts",
        ),
    ],
)
def test_what_has_no_effect(settings, told, capfd):
    (sentence,) = find_unused(Train(**settings))
    assert sentence.startswith(told)
    warn_of_unused(Train(**settings))
    assert f"WARNING {sentence}" in capfd.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "prodigy"},
        {"optimizer": "prodigy", "learning_rate": 1.0},
        {"optimizer": "adafactor", "beta1": 0.9},
        {"learning_rate": 2e-4, "beta1": 0.5, "eps": 1e-6, "weight_decay": 0.1, "ema": 0.99},
        {"timesteps": "logit_normal", "logit_mean": 0.5, "logit_std": 2.0},
        {"shift": 3.0, "sigmoid_scale": 2.0},
        {"loss": "huber", "huber_delta": 0.5, "huber_schedule": "exponential"},
        {"schedule": "cosine_with_restarts", "cycles": 5},
    ],
)
def test_what_has_one(settings):
    assert find_unused(Train(**settings)) == []


def test_the_choices_are_those_of_the_settings():
    for name, (other, choices) in USED_WITH.items():
        assert name in Train.model_fields
        for choice in choices:
            assert getattr(Train.model_validate({other: choice}), other) == choice
