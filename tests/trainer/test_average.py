"""The moving average of the weights: the usual formula, exact in a resume, swapped in and out without a trace."""

import pytest
import torch

from trainer.average import Ema, find_decay, swapped_in
from trainer.flow import make_generator

HISTORY = torch.randn(40, 3, 2, generator=make_generator("history"))


def make():
    return {"x.lora_A": torch.nn.Parameter(torch.zeros(3, 2)), "x.lora_B": torch.nn.Parameter(torch.ones(2))}


def go(ema, weights, steps):
    for step in steps:
        weights["x.lora_A"].data = HISTORY[step].clone()
        ema.update(weights, step + 1)


def test_it_is_the_usual_formula():
    weights = make()
    ema, expected = Ema(weights, 0.9), torch.zeros(3, 2, dtype=torch.float64)
    go(ema, weights, range(40))
    for number, new in enumerate(HISTORY.double(), 1):
        decay = min(0.9, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * new
    assert torch.allclose(ema.shadow["x.lora_A"].double(), expected, atol=1e-6)
    assert torch.allclose(ema.shadow["x.lora_B"], torch.ones(2)), "what stands still is its own average"
    assert [round(find_decay(step, 0.99), 3) for step in (1, 10, 1000)] == [0.182, 0.55, 0.99]


def test_a_resumed_one_is_the_same():
    whole, half = Ema(make(), 0.9), Ema(make(), 0.9)
    go(whole, make(), range(40))
    go(half, make(), range(20))
    resumed = Ema(make(), 0.9)
    for name, tensor in half.shadow.items():
        resumed.shadow[name].copy_(tensor)
    go(resumed, make(), range(20, 40))
    assert all(torch.equal(whole.shadow[name], resumed.shadow[name]) for name in whole.shadow)


def test_it_is_fp32_and_its_own():
    weights = make()
    ema = Ema(weights, 0.9)
    weights["x.lora_A"].data.add_(1)
    assert ema.shadow["x.lora_A"].abs().max() == 0 and ema.shadow["x.lora_A"].dtype == torch.float32
    assert not ema.shadow["x.lora_A"].requires_grad


@pytest.mark.parametrize("breaks", [False, True])
def test_it_is_swapped_in_and_out(breaks):
    weights, average = make(), {name: weight.detach() + 5 for name, weight in make().items()}
    places = [weight.data_ptr() for weight in [*weights.values(), *average.values()]]
    try:
        with swapped_in(weights, average):
            assert weights["x.lora_A"].eq(5).all() and average["x.lora_A"].eq(0).all()
            assert weights["x.lora_A"].requires_grad and isinstance(weights["x.lora_A"], torch.nn.Parameter)
            if breaks:
                raise InterruptedError
    except InterruptedError:
        assert breaks
    assert places == [weight.data_ptr() for weight in [*weights.values(), *average.values()]], "nothing was copied"
    assert weights["x.lora_A"].eq(0).all() and average["x.lora_A"].eq(5).all()


def test_without_an_average_nothing_is_swapped():
    weights = make()
    with swapped_in(weights, None):
        assert weights["x.lora_A"].eq(0).all()
