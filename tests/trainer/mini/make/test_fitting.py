"""Fitting: the learning rate's shape, the moving average, and that it finds a minimum."""

import pytest
import torch

from trainer.mini.make.fitting import Average, Recipe, fit

RECIPE = Recipe(200, 0.1, warmup=10, decay=0.5, beta2=0.99, weight_decay=0.0, memory=0.9, floor=0.02)


def test_the_rate_rises_stays_and_falls():
    rates = [RECIPE.rate(step) for step in range(200)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9:101] == pytest.approx([0.1] * 92)
    assert rates[150] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.02 * 0.1)
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_an_average_is_put_in_place_and_taken_out_again():
    weight = torch.nn.Parameter(torch.zeros(1))
    average = Average([weight], 0.5)
    for value in (1.0, 1.0):
        weight.data.fill_(value)
        average.update()
    with average:
        assert weight.item() == pytest.approx(1 - (1 / 11) * (2 / 12))
    assert weight.item() == 1


def test_a_minimum_is_found_and_looked_at():
    weight, goal, seen = torch.nn.Parameter(torch.zeros(5)), torch.arange(5.0) / 5, []
    losses = fit([weight], RECIPE, lambda: (weight - goal).square().mean(), lambda step: seen.append((step, weight.clone())))
    assert len(losses) == 200
    assert losses[-1] < 1e-4 * losses[0]
    assert torch.allclose(weight, goal, atol=0.01)
    assert [step for step, _ in seen] == [50, 100, 150, 200]
    assert torch.equal(seen[-1][1], weight), "the average is what is looked at and what remains"
