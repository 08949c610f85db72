"""What is chosen for a training, and what happens when memory runs out: the same step again, in a smaller way."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.real_size import make_batch, make_flux1
from trainer.arrange import ALL, Arrangement, MemoryRanOut, choose_fit, load_transformer, read_asked
from trainer.blocks import find_blocks, find_turns
from trainer.config import Lora, parse_config
from trainer.interrupt import Stop
from trainer.loop import train
from trainer.measure import Measure
from trainer.memory import GB, Asked, Fit
from trainer.quantise import FrozenLinear

MESSAGE = "CUDA out of memory. Tried to allocate 18.00 MiB. GPU 0 has a total capacity of 44.53 GiB of which"


@pytest.fixture
def choose(monkeypatch, tmp_path):
    """choose(settings, memory, then): for FLUX.1 at its real size, 1024 px, on a GPU with so many GB free."""

    def make(settings, memory, then=()):
        config, family = parse_config(settings), make_flux1(tmp_path)
        measure = Measure(family, Lora(), 1)
        family.base = dataclasses.replace(family.base, device=torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (memory * GB, 100 * GB))
        return choose_fit(config, family, measure, make_batch(1024, 1024), read_asked(config, dict(then)))

    return make


@pytest.fixture
def settings(small):
    small["data"] |= {"batch_size": 2}
    del small["train"]["gradient_checkpointing"]
    return small


@pytest.mark.parametrize(
    ("preset", "free", "kind", "told"),
    [("auto", 79, "none", "of 79.0 GB"), ("auto", 10, "nf4", "of 10.0 GB"), ("16", 79, "int8", "of 15.7 GB")],
)
def test_a_preset_chooses_and_tells_it(settings, choose, capsys, preset, free, kind, told):
    settings["memory"] = {"preset": preset}
    fit = choose(settings, free)
    (line,) = capsys.readouterr().out.splitlines()
    assert fit.quantise == kind and " Memory: " in line and told in line and "checkpointed" in line


def test_where_it_may_not_fit_it_is_told(settings, choose, capsys):
    choose(settings, 1)
    assert "WARNING memory may run out" in capsys.readouterr().out


def test_off_chooses_nothing(settings, choose, capsys):
    settings["memory"] = {"preset": "off"}
    assert choose(settings, 1) == Fit("none", 0, 1, 0)
    assert capsys.readouterr().out == ""


def test_a_resume_keeps_the_bits_that_were_chosen(settings, choose):
    assert choose(settings, 79).quantise == "none"
    assert choose(settings, 79, {"model.quantise": "nf4"}).quantise == "nf4"
    assert choose(settings, 10, {"train.seed": 1}).quantise == "none"  # a state of before there were bits


def test_settings_leave_no_choice(settings):
    asked = read_asked(parse_config(settings), {})
    assert asked == Asked()
    settings["train"] |= {"gradient_checkpointing": True, "accumulation": 2}
    settings["model"] |= {"quantise": "fp8"}
    settings["memory"] = {"swapped_blocks": 3}
    assert read_asked(parse_config(settings), {"model.quantise": "nf4"}) == Asked("fp8", ALL, 2, 3)
    settings["train"]["gradient_checkpointing"] = False
    assert read_asked(parse_config(settings), {}).checkpointed == 0


def test_a_model_is_loaded_in_the_bits_that_were_chosen(family):
    model = load_transformer(family, Measure(family, Lora(), 1), Fit("int8", 0, 1, 2), matmul_8bit=False)
    for block in find_blocks(model):
        linears = [module for module in block.modules() if hasattr(module, "in_features")]
        assert linears and all(isinstance(linear, FrozenLinear) for linear in linears)
    assert isinstance(model.proj_out, torch.nn.Linear)


# ---- memory runs out -------------------------------------------------------------------------------------------------
@pytest.fixture
def run_out(make_run, monkeypatch):
    """run_out(settings, name, times): a training whose memory runs out so often in its second step; its folder and itself."""

    def run(settings, name, times, error=None):
        trainings, calls = [], [0]

        def fail(block, args):
            if trainings[0].progress.step == 1 and calls[0] < times:
                calls[0] += 1
                raise error or torch.OutOfMemoryError(MESSAGE)

        def prepare(*given):
            trainings.append(real(*given))
            find_blocks(trainings[0].model)[-1].register_forward_pre_hook(fail)
            return trainings[0]

        from trainer.prepare import prepare as real

        monkeypatch.setattr("trainer.loop.prepare", prepare)
        folder = make_run(settings, name)
        assert train(parse_config({**settings, "name": name}), folder, None, Stop())
        return folder, trainings[0]

    return run


def test_the_step_is_done_again_bit_for_bit(settings, learn, run_out, capsys):
    settings["train"] |= {"epochs": 1}
    whole = load_file(learn(settings, "whole").lora)
    folder, training = run_out(settings, "short", 3)
    assert training.engine.arrangement.fit == Fit("none", 6, 1, 0)
    assert sum(turn.is_checkpointed for turn in find_turns(training.model)) == 6
    again = load_file(folder.lora)
    assert whole.keys() == again.keys() and all(torch.equal(whole[name], again[name]) for name in whole)
    told = [line for line in capsys.readouterr().out.splitlines() if "memory ran out" in line]
    assert len(told) == 3
    assert "2 of 7 blocks checkpointed; CUDA out of memory. Tried to allocate 18.00 MiB" in told[0]


def test_smaller_pieces_and_waiting_blocks_come_next(settings, learn, run_out):
    settings["train"] |= {"epochs": 1}
    whole = load_file(learn(settings, "whole").lora)
    folder, training = run_out(settings, "short", 7)
    assert training.engine.arrangement.fit == Fit("none", 7, 2, 4)
    for name, weight in load_file(folder.lora).items():
        assert torch.allclose(weight, whole[name], rtol=1e-3, atol=1e-5), name


def test_at_the_last_rung_the_training_ends_with_what_to_do(settings, run_out):
    with pytest.raises(
        MemoryRanOut, match=r"out of memory with .*7 of 7 blocks checkpointed, batch in 2 pieces, 7 blocks swapped"
    ):
        run_out(settings, "short", 100)


def test_off_goes_no_step_down(settings, run_out):
    settings["memory"] = {"preset": "off"}
    with pytest.raises(MemoryRanOut, match="allows no smaller way"):
        run_out(settings, "short", 1)


def test_a_step_that_cannot_sum_in_the_same_order_is_done_again_in_any(settings, learn, run_out, capsys):
    settings["train"] |= {"epochs": 1}
    whole = load_file(learn(settings, "whole").lora)
    error = RuntimeError("some_kernel does not have a deterministic implementation, but you set")
    folder, training = run_out(settings, "short", 1, error)
    assert training.engine.arrangement.fit == Fit("none", 0, 1, 0)
    again = load_file(folder.lora)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert "WARNING speed.deterministic: some_kernel cannot sum" in capsys.readouterr().out


def test_what_fails_otherwise_is_not_tried_again(settings, run_out):
    with pytest.raises(RuntimeError, match="something else"):
        run_out(settings, "short", 1, RuntimeError("something else"))


def test_what_is_chosen_is_put_on_the_model(family):
    model = family.load_transformer()
    arrangement = Arrangement(model, torch.device("cpu"), Fit("none", 3, 1, 0), 1)
    arrangement.apply()
    assert [turn.is_checkpointed for turn in find_turns(model)] == [True] * 3 + [False] * 4
