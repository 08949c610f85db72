"""How fast a device could be, and whether a training on it compiles."""

import dataclasses

import pytest
import torch

from tests.trainer.real_size import make_batch, make_flux1
from trainer.config import Lora, parse_config
from trainer.measure import Measure
from trainer.memory import Fit
from trainer.speed import Compilation, choose_compile, find_peak, make_speed_lines, measure_peak_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda")
WHOLE, SMALL = Fit("none", 0, 1, 0), Fit("int8", 0, 1, 0)


@pytest.fixture
def on_h100(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")


def test_the_peak_is_that_of_the_numbers_that_are_multiplied(on_h100):
    assert find_peak(GPU, torch.bfloat16, WHOLE, False) == find_peak(GPU, torch.bfloat16, SMALL, False) == 989.4e12
    assert find_peak(GPU, torch.bfloat16, SMALL, True) == 1978.9e12
    assert find_peak(GPU, torch.bfloat16, Fit("nf4", 0, 1, 0), True) == 989.4e12
    assert find_peak(GPU, torch.float32, WHOLE, False) is None


def test_nobody_knows_the_peak_of_a_cpu_or_of_a_card_that_cannot(monkeypatch):
    assert find_peak(CPU, torch.float32, WHOLE, False) is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100-SXM4-80GB")
    assert find_peak(GPU, torch.bfloat16, Fit("fp8", 0, 1, 0), True) is None


def test_the_memory_of_a_cpu_is_that_of_the_process():
    before = measure_peak_memory(CPU)
    held = torch.ones(2**26)  # 256 MiB
    assert measure_peak_memory(CPU) >= max(before, held.nbytes)


@pytest.fixture
def decide(small, on_h100, tmp_path):
    """decide(compile, steps, was, is_warm): for FLUX.1 at 1024 px, batch 4, on an H100: about 2 s a step."""

    def ask(asked="auto", steps=1000, was=None, is_warm=False, device=GPU):
        family = make_flux1(tmp_path)
        measure = Measure(family, Lora(), 1)
        family.base = dataclasses.replace(family.base, device=device)
        mark = tmp_path / "mark"
        mark.touch() if is_warm else mark.unlink(missing_ok=True)
        config = parse_config({**small, "speed": {"compile": asked}})
        return choose_compile(config, family, measure, make_batch(1024, 1024), Compilation(WHOLE, 2, 1, steps, mark, was))

    return ask


def test_compiles_where_it_repays_itself(decide):
    assert decide(steps=1000) and not decide(steps=100)
    assert decide(steps=100, is_warm=True) and not decide(steps=20, is_warm=True)
    assert not decide(steps=10**6, device=CPU)  # whose speed nobody knows


def test_what_is_asked_for_is_done_and_a_resume_goes_on_as_it_began(decide):
    assert decide(True, steps=1) and not decide(False, steps=10**6)
    assert decide(steps=1, was=True) and not decide(steps=10**6, was=False)
    assert decide(True, was=False) and not decide(False, was=True)


def test_lines_are_for_the_device(small, on_h100, tmp_path):
    family = make_flux1(tmp_path)
    assert make_speed_lines(parse_config(small), family, WHOLE).peak is None
    family.base = dataclasses.replace(family.base, device=GPU)
    lines = make_speed_lines(parse_config({**small, "log": {"speed_every": 7}}), family, WHOLE)
    assert (lines.peak, lines.every) == (989.4e12, 7)
