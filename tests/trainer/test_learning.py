"""Optimizers and averages in whole trainings of flux-mini: fp32 on a bf16 base, resumed bit for bit, drawn without a trace."""

import json
import shutil
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from trainer.config import Train, parse_config
from trainer.interrupt import Stop
from trainer.loop import take_step
from trainer.optimizers import keep
from trainer.prepare import prepare

NAMES = get_args(Train.model_fields["optimizer"].annotation)


@pytest.fixture
def short(small):
    """Two epochs of three steps, and nothing else."""
    small["data"] |= {"validation_images": 0, "regularisation_images": 0}
    small["train"] |= {"epochs": 2, "decay": 0.0, "warmup_steps": 2}
    small["sample"]["prompts"] = []
    small["save"] |= {"every_epochs": 0, "state_every_epochs": 1}
    return small


def choose(settings, optimizer):
    """An optimizer with an average beside it, where it has none of its own; weights large enough for moments in 8 bits."""
    settings["train"] |= {"optimizer": optimizer, "ema": 0.0 if optimizer == "schedule_free" else 0.9}
    settings["lora"]["rank"] = 64 if optimizer == "adamw8bit" else 4


def read_all(folder):
    """Every byte that a training leaves to go on from, and its LoRA."""
    state = folder.epoch_state(2)
    return {path.name: path.read_bytes() for path in [folder.lora, *state.iterdir()]}


@pytest.mark.parametrize("optimizer", NAMES)
def test_each_optimizer_resumes_bit_for_bit(short, learn, optimizer):
    """Six steps at once, and three of them again from the state in the middle."""
    choose(short, optimizer)
    folder = learn(short)
    whole = read_all(folder)
    names = {"small.safetensors", "lora.safetensors", "optimizer.safetensors", "state.json", "average.safetensors"}
    assert whole.keys() == names - ({"average.safetensors"} if optimizer == "schedule_free" else set())
    folder.lora.unlink()
    shutil.rmtree(folder.epoch_state(2))
    learn(short, resume=folder.epoch_state(1))
    again = read_all(folder)
    assert [name for name in whole if whole[name] != again[name]] == []


def test_a_lora_file_has_the_average_and_the_state_has_both(short, learn):
    short["train"]["ema"] = 0.9
    folder = learn(short)
    state, lora = folder.epoch_state(2), load_file(folder.lora)
    weights, average = load_file(state / "lora.safetensors"), load_file(state / "average.safetensors")
    assert weights.keys() == average.keys() and len(average) == len(lora) == 98
    for name, tensor in average.items():
        scale = 2 if ".lora_B." in name else 1  # alpha 8 / rank 4, folded in
        assert torch.equal(lora[f"transformer.{name}"], tensor * scale)
    assert not any(torch.equal(weights[name], average[name]) for name in weights)


def test_schedule_free_saves_its_average(short, learn):
    short["train"]["optimizer"] = "schedule_free"
    folder = learn(short)
    state, lora = folder.epoch_state(2), load_file(folder.lora)
    y, z = load_file(state / "lora.safetensors"), load_file(state / "optimizer.safetensors")
    name = next(name for name in y if ".lora_B." in name)
    x = (y[name] - 0.1 * z[f"{name}.z"]) / 0.9  # y = 0.9 x + 0.1 z
    assert torch.allclose(lora[f"transformer.{name}"], 2 * x, atol=1e-7) and not torch.allclose(x, y[name], atol=1e-5)
    assert json.loads((state / "state.json").read_text())["optimizer"]["groups"][0]["train_mode"] is True


@pytest.mark.parametrize("train", [{"ema": 0.9}, {"optimizer": "schedule_free"}])
def test_drawing_measuring_and_saving_leave_no_trace(short, learn, train):
    short["train"] |= train
    short["save"]["state_every_epochs"] = 0
    short["data"]["validation_images"] = 2
    quiet = learn(short, "quiet")
    short["sample"] |= {"prompts": ["a [trigger] in the snow"], "every_steps": 2}
    short["save"] |= {"every_epochs": 1, "state_every_epochs": 1}
    busy = learn(short, "busy")
    one, other = load_file(quiet.lora), load_file(busy.lora)
    assert all(torch.equal(one[name], other[name]) for name in one) and len(list(busy.samples.iterdir())) > 2


@pytest.mark.parametrize("optimizer", NAMES)
def test_weights_gradients_and_moments_are_fp32_on_a_bf16_base(short, make_run, monkeypatch, optimizer):
    short["model"]["dtype"] = "bf16"
    choose(short, optimizer)
    training = prepare(parse_config(short), make_run(short), None, Stop())
    step, gradients = training.optimizer.step, []

    def listen():
        gradients.extend(weight.grad.dtype for weight in training.weights.values())
        return step()

    monkeypatch.setattr(training.optimizer, "step", listen)
    take_step(training)
    assert gradients == [torch.float32] * 98
    assert {weight.dtype for weight in training.weights.values()} == {torch.float32}
    if training.ema:
        assert {tensor.dtype for tensor in training.ema.shadow.values()} == {torch.float32}
    moments = {tensor.dtype for tensor in keep(training.optimizer, training.weights).tensors.values()}
    assert moments == ({torch.float32, torch.uint8} if optimizer == "adamw8bit" else {torch.float32})
    base = [weight for name, weight in training.model.named_parameters() if ".lora_" not in name]
    assert torch.bfloat16 in {weight.dtype for weight in base} and not any(weight.requires_grad for weight in base)
