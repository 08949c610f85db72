"""Optimizers by name: each learns, in fp32, and what it remembers can be kept and put back bit for bit."""

import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.config import Train
from trainer.flow import make_generator
from trainer.optimizers import Kept, find_average, keep, make_optimizer, put_back, told_rate
from trainer.schedules import schedule

RATES = {"adamw": 1e-2, "adamw8bit": 1e-2, "adafactor": 1e-2, "prodigy": 1e-4, "schedule_free": 1e-2, "lion": 3e-3}
NAMES = sorted(RATES)


class Small:
    """A LoRA of two weights on one frozen linear, large enough for moments in 8 bits, that learns to be another linear."""

    def __init__(self, name, **settings):
        self.settings = Train(optimizer=name, learning_rate=RATES[name], **settings)
        generator = make_generator("small")
        self.weights = {
            "x.lora_A.weight": torch.nn.Parameter(torch.randn(16, 320, generator=generator) / 16),
            "x.lora_B.weight": torch.nn.Parameter(torch.zeros(320, 16)),
        }
        self.optimizer = make_optimizer(self.settings, self.weights.values())
        self.goal = torch.randn(320, 4, generator=generator) @ torch.randn(4, 320, generator=generator) / 100

    def loss(self, step):
        a, b = self.weights.values()
        inputs = torch.randn(64, 320, generator=make_generator("inputs", step))
        return (inputs @ (b @ a - self.goal).T).square().mean()

    def learn(self, steps):
        for step in steps:
            self.loss(step).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


def through_files(kept):
    """What is kept, as it comes back from a .json."""
    said = json.loads(json.dumps({"numbers": kept.numbers, "groups": kept.groups}))
    return Kept(kept.tensors, **said)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name):
    small = Small(name)
    before = small.loss(-1).item()
    small.learn(range(80))  # prodigy spends half of them on finding its learning rate
    assert small.loss(-1).item() < 0.7 * before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop_at", [0, 3])
def test_what_it_remembers_is_kept_bit_for_bit(name, stop_at):
    whole, first, second = (Small(name) for _ in range(3))
    whole.learn(range(6))
    first.learn(range(stop_at))
    for weight, place in zip(first.weights.values(), second.weights.values(), strict=True):
        place.data.copy_(weight.data)
    put_back(second.optimizer, second.weights, through_files(keep(first.optimizer, first.weights)))
    second.learn(range(stop_at, 6))
    assert all(torch.equal(whole.weights[key], second.weights[key]) for key in whole.weights)
    one, other = keep(whole.optimizer, whole.weights), keep(second.optimizer, second.weights)
    assert one.tensors.keys() == other.tensors.keys() and one.numbers == other.numbers and one.groups == other.groups
    assert all(torch.equal(one.tensors[key], other.tensors[key]) for key in one.tensors)


def test_schedule_free_warms_up_as_by_itself():
    """By the learning rate that is set before each step: its own warm-up gives the same numbers."""
    own, other = Small("schedule_free"), Small("schedule_free")
    other.optimizer.param_groups[0]["warmup_steps"] = 5
    for step in range(8):
        own.optimizer.param_groups[0]["lr"] = schedule(own.settings.model_copy(update={"warmup_steps": 5}), step, 8)
        own.learn([step])
        other.learn([step])
    assert all(torch.equal(own.weights[key], other.weights[key]) for key in own.weights)


@pytest.mark.parametrize("name", NAMES)
def test_moments_are_fp32_but_for_the_8_bit_ones(name):
    small = Small(name)
    small.learn(range(2))
    kept = keep(small.optimizer, small.weights)
    large = {tensor.dtype for tensor in kept.tensors.values() if tensor.numel() >= 320}
    assert large == ({torch.uint8} if name == "adamw8bit" else {torch.float32})
    assert {weight.dtype for weight in small.weights.values()} == {torch.float32}


class Reads(TorchDispatchMode):
    """Counts how often a number is taken out of a tensor, for which a GPU would be waited for."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "adamw"])  # fused: on a CPU another kernel than on a GPU
def test_a_step_reads_nothing_back(name):
    small = Small(name)
    small.learn(range(2))
    small.loss(2).backward()
    with Reads() as reads:
        small.optimizer.step()
        told_rate(small.optimizer)
    assert reads.count == (1 if name == "prodigy" else 0), "prodigy is told from the CPU's own copy"


def test_the_settings_are_not_kept_and_moved_numbers_are():
    small = Small("prodigy", weight_decay=0.01)
    assert keep(small.optimizer, small.weights).groups == [{}]
    small.learn(range(20))
    kept = keep(small.optimizer, small.weights)
    assert kept.groups == [{"steps": 20}]
    assert told_rate(small.optimizer) == kept.tensors["x.lora_A.weight.d"].item() > 1e-6
    assert told_rate(Small("adamw").optimizer) == 1e-2


def test_adamw_is_that_of_torch_with_our_numbers():
    (group,) = Small("adamw", beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.5).optimizer.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"], group["fused"]) == ((0.8, 0.95), 1e-6, 0.5, True)


def test_adafactor_moves_weights_that_are_zero():
    """As far as the learning rate says, though the LoRA's B begins at 0."""
    small = Small("adafactor")
    small.learn(range(1))
    assert small.weights["x.lora_B.weight"].square().mean().sqrt().item() == pytest.approx(1e-2, rel=0.3)


def test_schedule_free_has_an_average_that_changes_nothing():
    small, alone = Small("schedule_free"), Small("schedule_free")
    assert all(torch.equal(find_average(small.optimizer, small.weights)[key], small.weights[key]) for key in small.weights)
    small.learn(range(5))
    alone.learn(range(5))
    average = find_average(small.optimizer, small.weights)
    alone.optimizer.eval()  # the library's own way to the average, in place
    assert all(torch.equal(average[key], alone.weights[key]) for key in average)
    assert not any(torch.equal(average[key], small.weights[key]) for key in average)
    whole = Small("schedule_free")
    whole.learn(range(8))
    small.learn(range(5, 8))
    assert all(torch.equal(whole.weights[key], small.weights[key]) for key in whole.weights)
    assert find_average(Small("adamw").optimizer, small.weights) is None


def test_nothing_is_printed(capfd):
    for name in NAMES:
        Small(name, weight_decay=0.01).learn(range(1))
    assert "weight decay" not in capfd.readouterr().out


def test_bitsandbytes_that_does_not_work(monkeypatch):
    def fail(*given):
        raise RuntimeError("no library for this GPU")

    monkeypatch.setattr("trainer.adamw8bit.AdamW8bit.step", fail)
    told = (
        r"train\.optimizer: got adamw8bit, but bitsandbytes does not work here: no library for this GPU; expected one .* adamw"
    )
    with pytest.raises(ValueError, match=told):
        Small("adamw8bit")
