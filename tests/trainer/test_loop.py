"""The training as a whole, on flux-mini: it learns, it repeats itself, it resumes exactly, and diffusers loads what it made."""

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from trainer import mini
from trainer.config import parse_config
from trainer.flow import compute_loss, draw_noise
from trainer.interrupt import Stop
from trainer.loop import learn as learn_a_batch
from trainer.loop import next_batch, take_step, train
from trainer.prepare import prepare
from trainer.tally import Outcome, Tally, TrainingBroke

GOLDEN = Path(__file__).parent / "golden_loss.txt"


def lines_of(text):
    return [line[20:] for line in text.splitlines()]


def test_the_log_of_a_training(small, learn, capfd, read_losses):
    small["sample"] |= {"every_epochs": 1, "every_steps": 6}
    folder = learn(small)
    lines = lines_of(capfd.readouterr().out)
    begin = lines.index("Training: 12 steps, 3 epochs of 4 steps, batch 4, 100,480 LoRA parameters, fp32 base on cpu")
    told = [
        re.sub(r"^(steps|Speed|Saving sample|Validation).*", r"\1", line)
        for line in lines[begin + 1 :]
        if "Validating" not in line
    ]
    picture, steps = "Saving sample", ["steps"] * 4
    assert told.pop(0) == "Learning: adamw, learning rate 2e-03 * alpha 8 / rank 4 = 4e-03, constant, flux_shift, l2 loss"
    assert told == [
        *["Validation", "Sampling: 1 prompts at step 0", picture, "Epoch 1/3", *steps],
        *["Validation", "Sampling: 1 prompts at step 4", picture, f"Saving checkpoint: {folder.epoch_state(1)}", "Epoch 2/3"],
        *["steps", "steps", "Sampling: 1 prompts at step 6", picture, "steps", "steps", "Validation"],
        *[f"Saving LoRA: {folder.epoch_lora(2)}", "Sampling: 1 prompts at step 8", picture],
        *[
            f"Saving checkpoint: {folder.epoch_state(2)}",
            "Epoch 3/3",
            "steps",
            "steps",
            "Speed",
            "steps",
            "steps",
            "Validation",
        ],
        *["Sampling: 1 prompts at step 12", picture, f"Saving checkpoint: {folder.epoch_state(3)}"],
        *[f"Saving LoRA: {folder.lora}", "Training finished"],
    ]
    marks = sorted(path.name.split("_")[1] for path in folder.samples.iterdir())
    assert marks == ["000006", "e000000", "e000001", "e000002", "e000003"]
    assert [state.step for state in folder.states()] == [8, 12], "the two newest are kept"
    assert lines.count("Validating: 2/2") == 4
    validation = [float(line.split()[2]) for line in lines if line.startswith("Validation: loss")]
    assert validation[-1] < validation[0], "it learns"


def test_the_golden_loss_curve(small, learn, capfd, read_losses):
    """The numbers are those of one machine; another CPU sums in another order, hence the tolerance."""
    learn(small)
    losses = read_losses(capfd.readouterr().out)
    golden = {int(step): float(loss) for step, loss in (line.split() for line in GOLDEN.read_text().splitlines())}
    assert losses.keys() == golden.keys()
    assert list(losses.values()) == pytest.approx(list(golden.values()), rel=5e-3)


def test_the_average_is_of_the_last_epoch(small, learn, capfd):
    learn(small)
    out = capfd.readouterr().out
    losses = [float(loss) for loss in re.findall(r", loss=([\d.]+)", out)]
    averages = [float(loss) for loss in re.findall(r"avr_loss=([\d.]+)", out)]
    expected = [np.mean(losses[max(0, end - 4) : end]) for end in range(1, 13)]
    assert averages == pytest.approx(expected, abs=1e-4)


def test_a_sample_changes_nothing_and_neither_does_a_second_time(small, learn):
    small["sample"]["every_steps"] = 1
    with_samples = learn(small, "with-samples")
    small["sample"]["prompts"] = []
    without = learn(small, "without")
    assert same_weights(with_samples.lora, without.lora)


def same_weights(one, other):
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("stop_at", [1, 3, 4, 6, 8, 12])
def test_stopped_anywhere_it_resumes_bit_for_bit(small, learn, make_run, stop_at, monkeypatch, capfd):
    """Stops after each kind of step: the first, mid-epoch, an epoch's last, the training's last."""
    whole = learn(small, "small")
    expected, states = whole.lora.read_bytes(), whole.epoch_state(3) / "optimizer.safetensors"
    moments = states.read_bytes()
    for path in [*whole.loras(), *(state.path / "state.json" for state in whole.states())]:
        path.unlink()
    stop = Stop()
    with monkeypatch.context() as patch:

        def step_and_stop(training):
            result = take_step(training)
            if training.progress.step + 1 == stop_at:
                training.stop.signal = "SIGTERM"
            return result

        patch.setattr("trainer.loop.take_step", step_and_stop)
        assert not train(parse_config(small), whole, None, stop)
    state = whole.last_state()
    assert (state.step, whole.lora.exists()) == (stop_at, False)
    told = f"Training stopped at step {stop_at} of 12: resume from {state.path}"
    assert lines_of(capfd.readouterr().out)[-1] == told
    assert train(parse_config(small), whole, state.path, Stop())
    assert whole.lora.read_bytes() == expected and states.read_bytes() == moments
    out = lines_of(capfd.readouterr().out)
    assert f"Resuming: step {stop_at} of 12 from {state.path}" in out
    steps = [int(step) for step in re.findall(r"steps: .*\| (\d+)/12 \[", "\n".join(out))]
    assert steps == list(range(stop_at + 1, 13))
    assert whole.epoch_lora(2).is_file(), "made before the stop or after it"


def test_stopped_before_the_first_step(small, learn, make_run):
    """A stop while the first samples are drawn: the state of step 0 is one to resume from."""
    whole, folder, stop = learn(small, "whole"), make_run(small), Stop()
    stop.signal = "SIGTERM"
    assert not train(parse_config(small), folder, None, stop)
    assert [state.path for state in folder.states()] == [folder.step_state(0)] and not list(folder.samples.iterdir())
    assert train(parse_config(small), folder, folder.step_state(0), Stop())
    assert same_weights(whole.lora, folder.lora) and len(list(folder.samples.iterdir())) == 1


@pytest.mark.parametrize(("step", "stop_at"), [(0, 3), (4, 4 + 3)])
def test_stopped_within_a_validation(small, learn, make_run, monkeypatch, capfd, step, stop_at):
    """Before the first step and after an epoch: nothing more is measured, no number is told, the resume measures anew."""
    whole, folder, stop, measured = learn(small, "whole"), make_run(small), Stop(), []
    told = next(line for line in lines_of(capfd.readouterr().out) if re.match(rf"Validation: .* at step {step}$", line))

    def measure_and_stop(*given):
        if not torch.is_grad_enabled():  # in a validation, which takes four of these
            measured.append(given)
            stop.signal = "SIGTERM" if len(measured) == stop_at else stop.signal
        return compute_loss(*given)

    with monkeypatch.context() as patch:
        patch.setattr("trainer.validate.compute_loss", measure_and_stop)
        assert not train(parse_config(small), folder, None, stop)
    assert len(measured) == stop_at and told not in lines_of(capfd.readouterr().out)
    assert train(parse_config(small), folder, folder.step_state(step), Stop())
    assert told in lines_of(capfd.readouterr().out) and same_weights(whole.lora, folder.lora)


def test_a_bf16_base_with_checkpointing_and_without_clipping(small, learn, capfd):
    small["model"]["dtype"] = "bf16"
    small["train"] |= {"gradient_checkpointing": True, "max_grad_norm": 0.0, "shift": 3.0, "epochs": 2}
    small["lora"]["targets"] = "attention"
    folder = learn(small)
    out = capfd.readouterr().out
    assert "bf16 base on cpu" in out and len(list(folder.samples.iterdir())) == 1
    validation = [float(loss) for loss in re.findall(r"Validation: loss ([\d.]+)", out)]
    assert validation[-1] < validation[0]
    state = load_file(folder.epoch_state(2) / "lora.safetensors") | load_file(folder.epoch_state(2) / "optimizer.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


def test_the_log_says_in_which_bits_the_base_is(small, learn, capfd):
    small["model"]["quantise"] = "int8"
    small["train"]["epochs"], small["sample"]["prompts"] = 1, []
    learn(small)
    assert "LoRA parameters, int8 base computed in fp32 on cpu" in capfd.readouterr().out


def test_whether_samples_are_there_is_what_the_first_process_saw(small, learn, make_run, monkeypatch):
    """Where each process looked for itself, one that is late would find what the first has just drawn, and not wait for it."""
    small["sample"]["every_steps"], small["save"]["keep_states"] = 2, 0
    folder = make_run(small)
    stop = Stop()

    def stop_after_two(tally, step, outcome, note=Tally.note):
        note(tally, step, outcome)
        stop.signal = "SIGTERM" if step == 2 else ""

    with monkeypatch.context() as patch:
        patch.setattr(Tally, "note", stop_after_two)
        assert not train(parse_config(small), folder, None, stop)
    drawn = "*_000002_*"
    assert not list(folder.samples.glob(drawn))
    monkeypatch.setattr("trainer.loop.broadcast_object_list", lambda said: [True])
    assert train(parse_config(small), folder, folder.step_state(2), Stop())
    assert not list(folder.samples.glob(drawn)) and list(folder.samples.glob("*_000006_*"))


def test_more_epochs_after_the_end(small, learn, capfd):
    """The same as a training of one piece, bit for bit; what ended the shorter one is kept as what it is in the longer one."""
    small["train"] |= {"decay": 0.0, "epochs": 4}  # decay: the learning rate depends on how many epochs there are
    small["save"] |= {"every_epochs": 0, "state_every_epochs": 3}
    whole = learn(small)
    expected, state = whole.lora.read_bytes(), whole.epoch_state(4) / "optimizer.safetensors"
    moments = state.read_bytes()
    whole.lora.unlink()
    for made in whole.states():
        shutil.rmtree(made.path)
    small["train"]["epochs"] = 2
    short = learn(small)
    assert [state.step for state in short.states()] == [8], "the last one, though none was due"
    ended = short.lora.read_bytes()
    small["train"]["epochs"] = 4
    capfd.readouterr()
    learn(small, resume=short.epoch_state(2))
    assert short.lora.read_bytes() == expected and state.read_bytes() == moments
    assert short.epoch_lora(2).read_bytes() == ended and short.loras() == [short.epoch_lora(2), short.lora]
    lines = lines_of(capfd.readouterr().out)
    assert "WARNING train.epochs: 2 before, 4 from here" in lines
    assert f"Keeping the LoRA of epoch 2: {short.epoch_lora(2)}" in lines
    assert [state.step for state in short.states()] == [12, 16], "the two newest, by the usual rule"


def test_no_lora_is_kept_twice_or_under_a_wrong_name(small, learn):
    """An epoch's own file stays; a training that is resumed for the same epochs replaces its LoRA."""
    small["train"]["decay"] = 0.0
    small["save"]["every_epochs"] = 3
    folder = learn(small)
    own = folder.epoch_lora(3).stat().st_mtime_ns
    learn(small, resume=folder.epoch_state(2))
    assert folder.loras() == [folder.epoch_lora(3), folder.lora] and folder.epoch_lora(3).stat().st_mtime_ns > own
    small["train"]["epochs"] = 4
    own = folder.epoch_lora(3).read_bytes()
    learn(small, resume=folder.epoch_state(3))
    assert folder.loras() == [folder.epoch_lora(3), folder.lora] and folder.epoch_lora(3).read_bytes() == own


def test_no_state_where_none_is_wanted(small, learn):
    small["save"]["state_every_epochs"] = 0
    assert learn(small).states() == []


def test_a_lower_learning_rate_from_here(small, learn, capfd):
    small["train"] |= {"decay": 0.0, "warmup_steps": 0}
    folder = learn(small)
    before = folder.lora.read_bytes()
    small["train"]["learning_rate"] = 5e-4
    capfd.readouterr()
    learn(small, resume=folder.epoch_state(2))
    out = capfd.readouterr().out
    assert "WARNING train.learning_rate: 0.002 before, 0.0005 from here" in out and folder.lora.read_bytes() != before
    assert set(re.findall(r", lr=([\de.-]+)", out)) == {"5e-04"}


def test_a_step_is_the_formula_and_moves_the_lora_alone(small, make_run):
    training = prepare(parse_config(small), make_run(small), None, Stop())
    base = {name: weight.clone() for name, weight in training.model.named_parameters() if not weight.requires_grad}
    batch = next_batch(training)
    with torch.no_grad():
        noise = draw_noise(training.family, batch, training.config.train, 0)
        expected = compute_loss(training.family, training.model, batch, noise, training.config.train).item()
    outcome = take_step(training)
    learning_rate = outcome.learning_rate
    assert outcome.numbers.tolist() == pytest.approx([expected, 0, 0, 0], rel=1e-6) and learning_rate == pytest.approx(
        1e-3
    )  # half of it: warming up
    assert all(torch.equal(weight, base[name]) for name, weight in training.model.named_parameters() if name in base)
    assert all(weight.abs().max() > 0 for name, weight in training.weights.items() if ".lora_B." in name)


class ReadBack(TorchDispatchMode):
    """Counts how often a number is read from a tensor, for which a CPU would have to wait for a GPU."""

    times = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.times += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_nothing_in_a_step_is_read_back(small, make_run):
    training = prepare(parse_config(small), make_run(small), None, Stop())
    with ReadBack() as read:
        take_step(training)
        assert read.times == 0
        torch.ones(1).item()
        assert read.times == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_waits_for_no_gpu(small, make_run):
    small["model"]["device"] = "cuda"
    training = prepare(parse_config(small), make_run(small), None, Stop())
    take_step(training)
    torch.cuda.set_sync_debug_mode("error")
    try:
        take_step(training)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_gradients_are_clipped(small, make_run, monkeypatch):
    small["train"]["max_grad_norm"] = 1e-3
    training = prepare(parse_config(small), make_run(small), None, Stop())
    norms, step = [], training.optimizer.step

    def measured():
        norms.append(torch.stack([weight.grad.norm() for weight in training.weights.values()]).norm().item())
        return step()

    monkeypatch.setattr(training.optimizer, "step", measured)
    take_step(training)
    assert norms == pytest.approx([1e-3], rel=1e-2)


def test_a_loss_that_is_no_number_ends_it(small, make_run, monkeypatch):
    folder = make_run(small)
    monkeypatch.setattr("trainer.loop.take_step", lambda training: Outcome(torch.tensor([math.nan, 0, 0, 0]), 1e-3))
    with pytest.raises(TrainingBroke, match=r"nan at step 1, .*; resume with a lower train\.learning_rate"):
        train(parse_config(small), folder, None, Stop())
    assert folder.states() == []


@pytest.mark.parametrize("norm", [0.0, 1.0])
def test_a_gradient_that_is_no_number_ends_it_before_it_is_saved(small, make_run, monkeypatch, norm):
    small["train"]["max_grad_norm"] = norm

    def learn_and_break(training, batch, random):
        numbers = learn_a_batch(training, batch, random)
        if training.progress.step == 3:  # the last one of an epoch, after which a state is saved
            next(iter(training.weights.values())).grad[0, 0] = math.inf
        return numbers

    folder = make_run(small)
    monkeypatch.setattr("trainer.loop.learn", learn_and_break)
    with pytest.raises(TrainingBroke, match="nan at step 4"):
        train(parse_config(small), folder, None, Stop())
    assert folder.states() == []


def test_diffusers_loads_it_and_the_picture_changes(small, learn, tmp_path, caplog):
    small["train"]["learning_rate"] = 5e-3
    folder = learn(small)
    pipe = FluxPipeline.from_pretrained(mini.MODEL, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)

    def draw():
        sizes = {"height": 64, "width": 64, "num_inference_steps": 2, "max_sequence_length": 24}
        return np.asarray(pipe("a sks robot", generator=torch.Generator().manual_seed(1), **sizes).images[0], int)

    before = draw()
    pipe.load_lora_weights(folder.lora)
    loaded = {name for name, _ in pipe.transformer.named_parameters() if ".lora_" in name}
    saved = load_file(folder.lora)
    assert len(loaded) == len(saved) == 98
    assert not [record for record in caplog.records if "unexpected keys" in record.getMessage()]
    assert abs(draw() - before).max() > 5, "the picture of the trigger changes"
    pipe.unload_lora_weights()
    zero = {name: tensor * (".lora_B." not in name) for name, tensor in saved.items()}
    save_file(zero, tmp_path / "zero.safetensors")
    pipe.load_lora_weights(tmp_path / "zero.safetensors")
    assert np.array_equal(draw(), before), "with B = 0 it is the base model's"
