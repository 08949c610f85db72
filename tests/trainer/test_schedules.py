"""Learning rates: those of transformers behind the warm-up, and what may stand together."""

import pytest
import torch
from pydantic import ValidationError
from transformers import optimization

from trainer.config import Train, parse_config
from trainer.schedules import comparable_rate, schedule

TOTAL = 20


def rates_of(**settings):
    return [schedule(Train(learning_rate=1.0, **settings), step, TOTAL) for step in range(TOTAL)]


def theirs(make, warmup, **options):
    """The learning rate at each step of one of transformers' schedules."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer, warmup, TOTAL, **options), []
    for _ in range(TOTAL):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize(
    ("name", "make", "options"),
    [
        ("linear", optimization.get_linear_schedule_with_warmup, {}),
        ("cosine", optimization.get_cosine_schedule_with_warmup, {}),
        ("cosine_with_restarts", optimization.get_cosine_with_hard_restarts_schedule_with_warmup, {"num_cycles": 3}),
    ],
)
def test_they_are_those_of_transformers(name, make, options, warmup):
    """The warm-up is one step ahead: no step of learning rate 0 at the beginning."""
    expected, rates = theirs(make, warmup, **options), rates_of(schedule=name, warmup_steps=warmup)
    assert rates[warmup:] == pytest.approx(expected[warmup:])
    assert rates[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert 0 < rates[-1] < 0.2


def test_a_constant_one_warms_up_and_decays():
    settings = Train(learning_rate=1.0, warmup_steps=4, decay=0.5)
    rates = [schedule(settings, step, 10) for step in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert {schedule(Train(learning_rate=0.5), step, 10) for step in range(10)} == {0.5}


def test_a_warm_up_that_never_ends():
    assert rates_of(schedule="cosine", warmup_steps=40) == pytest.approx([(step + 1) / 40 for step in range(TOTAL)])


def test_prodigy_gets_a_factor_of_its_own_rate():
    rates = [schedule(Train(optimizer="prodigy", learning_rate=1e-4, warmup_steps=2), step, 10) for step in range(4)]
    assert rates == [0.5, 1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schedule": "cosine", "decay": 0.5}, "got decay 0.5 with schedule cosine, which falls anyway; expected decay 0"),
        ({"optimizer": "schedule_free", "decay": 0.2}, "got decay 0.2 with optimizer schedule_free, expected schedule"),
        ({"optimizer": "schedule_free", "schedule": "linear"}, "got schedule linear with optimizer schedule_free, expected"),
        ({"optimizer": "schedule_free", "ema": 0.99}, "got ema 0.99 with optimizer schedule_free, which averages by itself"),
        ({"timesteps": "flux_shift", "shift": 3.0}, "got shift 3.0 with timesteps flux_shift, expected timesteps 'shift'"),
    ],
)
def test_what_works_against_another_is_refused(settings, told):
    with pytest.raises(ValidationError, match=told):
        Train(**settings)


def test_the_comparable_number(small):
    small["train"]["learning_rate"] = 8e-4
    small["lora"] = {"rank": 4, "alpha": 1.0}
    assert comparable_rate(parse_config(small)) == pytest.approx(2e-4)
    small["train"]["optimizer"] = "prodigy"
    assert comparable_rate(parse_config(small)) is None
