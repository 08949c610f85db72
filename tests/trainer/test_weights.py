"""Reading .safetensors and filling a model with them: exact, and never twice in memory."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file
from torch import nn

from tests.trainer.conftest import ROOT
from tests.trainer.original import export_flux1
from trainer.header import WeightsError
from trainer.weights import (
    Source,
    Weights,
    find_mismatches,
    make_empty,
    open_weights,
    stream_into,
)

CPU = torch.device("cpu")
PYTHON = 8 * 2**20  # bytes that an interpreter may need for itself meanwhile
LINUX = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process its peak")


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    full = torch.randn(6, 4, generator=generator)
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
    named = {f"{str(kind).removeprefix('torch.')}.weight": full.to(kind) for kind in kinds}
    return named | {"count": torch.tensor(3), "none": torch.zeros(0, 4), "number": torch.tensor(0.5)}


def test_every_dtype_is_read_as_it_was_written(tensors, tmp_path):
    save_file(tensors, tmp_path / "all.safetensors", {"format": "pt"})
    weights = open_weights(tmp_path / "all.safetensors")
    assert dict(weights.shapes) == {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        got = weights[name]
        assert got.dtype == tensor.dtype and torch.equal(got.double(), tensor.double()), name


def test_rows_halves_and_factors(tmp_path):
    full = torch.arange(24.0).reshape(6, 4)
    scaled = {"a.weight": full.to(torch.float8_e4m3fn), "a.scale_weight": torch.tensor([0.5])}
    rows = {"b.weight": full.to(torch.float8_e4m3fn), "b.weight_scale": torch.arange(1.0, 7)}
    save_file({"plain.weight": full, **scaled, **rows}, tmp_path / "x.safetensors")
    sources = open_weights(tmp_path / "x.safetensors").sources
    place = sources["plain.weight"].place
    made = Weights({
        "rows": Source(place, (2, 4), rows=(2, 4)),
        "swapped": Source(place, (6, 4), is_swapped=True),
        "other shape": Source(place, (6, 4, 1)),
        "scaled": sources["a.weight"],
        "scaled rows": Source(sources["b.weight"].place, (2, 4), rows=(2, 4), scale=sources["b.weight"].scale),
    })  # fmt: skip
    assert torch.equal(made["rows"], full[2:4]) and made["other shape"].shape == (6, 4, 1)
    assert torch.equal(made["swapped"], torch.cat([full[3:], full[:3]]))
    rounded = full.to(torch.float8_e4m3fn).float()
    assert torch.equal(made["scaled"], rounded * 0.5)
    assert torch.equal(made["scaled rows"], rounded[2:4] * torch.tensor([[3.0], [4.0]]))


def test_a_file_that_was_cut_off_after_it_was_checked(tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(100)}, file)
    weights = open_weights(file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(WeightsError, match="ends 200 bytes too early"):
        weights["a"]


def test_weights_in_four_bits_are_refused(tmp_path):
    save_file(
        {"a.weight": torch.zeros(8, dtype=torch.uint8), "a.comfy_quant": torch.zeros(8, dtype=torch.uint8)}, tmp_path / "x"
    )
    with pytest.raises(WeightsError, match=r"a\.weight: got numbers of type U8, .* take the model's bf16 or fp8 file instead"):
        open_weights(tmp_path / "x")


@pytest.mark.parametrize(
    ("scale", "problem"),
    [
        (torch.ones(4, 1, dtype=torch.uint8), r"a\.weight_scale: got numbers of type U8"),  # of MXFP8: powers of 2, by blocks
        (torch.ones(4, 2), r"a\.weight: got factors of shape \(4, 2\), expected one, or one for each row"),
    ],
)
def test_fp8_with_factors_that_are_not_understood_is_refused(tmp_path, scale, problem):
    save_file({"a.weight": torch.zeros(4, 32).to(torch.float8_e4m3fn), "a.weight_scale": scale}, tmp_path / "x")
    with pytest.raises(WeightsError, match=problem):
        open_weights(tmp_path / "x")


def test_names_under_a_prefix(tmp_path):
    save_file({"vae.a.weight": torch.ones(2), "b": torch.ones(1)}, tmp_path / "x")
    assert dict(open_weights(tmp_path / "x").under("vae.")) == {"a.weight": pytest.approx(torch.ones(2))}


class Small(nn.Module):
    """A model with all that has to be filled: own parameters, a child, blocks, buffers that are kept and that are not."""

    def __init__(self, blocks: int = 3, width: int = 8):
        super().__init__()
        self.own = nn.Parameter(torch.zeros(width))
        self.first = nn.Linear(width, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width)) for _ in range(blocks))
        self.register_buffer("made", torch.arange(3), persistent=False)


def test_a_module_is_filled_block_by_block():
    real = Small()
    for tensor in real.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_()
    empty, order = make_empty(Small), []
    assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}

    def finish(name, block):
        assert not any(tensor.is_meta for tensor in block.state_dict().values())
        whole = {name for name, parameter in empty.named_parameters() if not parameter.is_meta}
        order.append((name, len(whole)))

    stream_into(empty, real.state_dict(), torch.float32, CPU, finish)
    assert order == [("first", 3), ("blocks.0", 7), ("blocks.1", 11), ("blocks.2", 15)]
    state = empty.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in real.state_dict().items())
    assert torch.equal(empty.made, torch.arange(3)) and not empty.training
    assert not any(parameter.requires_grad for parameter in empty.parameters())


def test_what_does_not_fit_is_told():
    shapes = {name: tuple(tensor.shape) for name, tensor in Small(blocks=2).state_dict().items()}
    assert find_mismatches(make_empty(lambda: Small(blocks=2)), shapes) == []
    assert find_mismatches(make_empty(Small), {**shapes, "own": (9,)}) == [
        "6 of 21 weights are not there, such as blocks.2.0.weight",
        "1 weights have another shape, such as own: got (9,), expected (8,)",
    ]


MEASURE = """
import re, sys
from pathlib import Path
import torch
from tests.trainer.test_weights import Small
from trainer.flux1 import Flux1
from trainer.parts import Part, load_part
from trainer.weights import make_empty, open_weights, stream_into

def resident(field):
    return int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def to_bytes(name, block):  # as a quantisation does: a fourth of the memory
    for linear in [part for part in block.modules() if isinstance(part, torch.nn.Linear)]:
        linear.weight = torch.nn.Parameter(linear.weight.mul_(100).to(torch.int8), requires_grad=False)

file, kind, cpu = Path(sys.argv[1]), sys.argv[2], torch.device("cpu")
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = resident("VmRSS")
if kind == "flux":
    model = load_part(Part(None, file), Flux1.recipes["transformer"], torch.bfloat16, cpu)
else:
    model = make_empty(lambda: Small(12, 2048))
    stream_into(model, open_weights(file), torch.float32, cpu, to_bytes if kind == "quantised" else None)
print(resident("VmHWM") - before, sum(p.numel() * p.itemsize for p in model.parameters()))
"""


def measure(file, kind):
    """Bytes at the peak of a real process that loads a model, and of the model at the end."""
    command = [sys.executable, "-c", MEASURE, str(file), kind]
    return map(int, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@LINUX
@pytest.mark.parametrize("kind", ["as it is", "quantised"])
def test_a_model_is_never_twice_in_memory(tmp_path, kind):
    """At the peak there is what is there at the end, and about one block (16 MiB) of the 12."""
    torch.manual_seed(0)
    save_file(Small(12, 2048).state_dict(), tmp_path / "x.safetensors")
    peak, model = measure(tmp_path / "x.safetensors", kind)
    block = 2048 * 2048 * 4
    assert model == pytest.approx(13 * block / (4 if kind == "quantised" else 1), rel=0.01)
    assert peak <= model + 1.2 * block + PYTHON


@LINUX
def test_flux_is_taken_apart_without_holding_what_is_taken_apart(tmp_path):
    """214 MB in the names of Black Forest Labs: q, k, v and MLP are read from rows of one tensor, each by itself."""
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 8, "num_layers": 1, "num_single_layers": 4, "joint_attention_dim": 64}
    flux = FluxTransformer2DModel(**sizes, pooled_projection_dim=64, guidance_embeds=True).to(torch.bfloat16)
    save_file(export_flux1(flux.state_dict()), tmp_path / "flux1-dev.safetensors")
    peak, model = measure(tmp_path / "flux1-dev.safetensors", "flux")
    block = sum(weight.numel() * 2 for weight in flux.transformer_blocks[0].parameters())
    assert model > 2.8 * block and peak <= model + 0.5 * block


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("is_quantised", [False, True])
def test_a_gpu_never_holds_a_model_twice(tmp_path, is_quantised):
    def to_bytes(_, block):
        for linear in [part for part in block.modules() if isinstance(part, nn.Linear)]:
            linear.weight = nn.Parameter(linear.weight.mul_(100).to(torch.int8), requires_grad=False)

    save_file(Small(12, 2048).state_dict(), tmp_path / "x.safetensors")
    model, before = make_empty(lambda: Small(12, 2048)), torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    finish = to_bytes if is_quantised else None
    stream_into(model, open_weights(tmp_path / "x.safetensors"), torch.float32, torch.device("cuda"), finish)
    size = sum(weight.numel() * weight.itemsize for weight in model.parameters())
    assert torch.cuda.max_memory_allocated() - before <= size + 1.2 * 2048 * 2048 * 4 + PYTHON
