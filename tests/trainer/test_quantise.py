"""Linears in 8 and 4 bits: how far off they are, what they take, and that nothing whole is kept of them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from tests.trainer.lesson import make_lesson
from trainer.quantise import KINDS, FrozenLinear, bytes_per_weight, quantise

OFF = {"int8": (0.006, 0.011), "fp8": (0.025, 0.027), "nf4": (0.088, 0.097)}  # of weights: least and most
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def off_by(got, expected):
    """Relative error in the Frobenius norm."""
    return ((got.float() - expected.float()).norm() / expected.float().norm()).item()


def make_linear(columns=160, rows=96, dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    linear = nn.Linear(columns, rows).to(dtype).requires_grad_(False)
    linear.weight.copy_(torch.randn(rows, columns, generator=generator) * 0.02)
    return linear


def make_input(columns=160, dtype=torch.float32):
    return torch.randn(3, 24, columns, generator=torch.Generator().manual_seed(4)).to(dtype).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_flux_mini_are_off_by_as_much_as_is_written(transformer, kind):
    least, most = OFF[kind]
    for name, linear in transformer.named_modules():
        if isinstance(linear, nn.Linear) and "transformer_blocks." in name:
            assert least < off_by(FrozenLinear(linear, kind).whole_weight(), linear.weight) < most, name


@pytest.fixture(scope="module")
def lesson():
    return make_lesson()


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.012), ("fp8", 0.027), ("nf4", 0.085)])
def test_so_is_what_flux_mini_answers(lesson, kind, most):
    """Its velocities, of which bf16 itself is off by 0.9 %; and modulation is the smaller part of it."""
    whole, small, without = (lesson.load(chosen, False) for chosen in ("none", kind, kind))
    for name, linear in whole.named_modules():
        if name.endswith(("norm.linear", "norm1.linear", "norm1_context.linear")):
            without.get_submodule(name.rpartition(".")[0]).linear = linear
    expected = lesson.answer(whole)
    off = off_by(lesson.answer(small), expected)
    assert off < most and off_by(lesson.answer(without), expected) > 0.9 * off


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
def test_it_is_the_product_with_the_weight_that_it_keeps(kind, dtype, device):
    """Forward and backward; rows of 160 end within a block of nf4."""
    frozen, x = FrozenLinear(make_linear(dtype=dtype).to(device), kind), make_input(dtype=dtype).detach().to(device)
    x.requires_grad_()
    y = frozen(x)
    y.square().sum().backward()
    other = x.detach().clone().requires_grad_()
    expected = functional.linear(other, frozen.whole_weight(), frozen.bias)
    expected.square().sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert torch.equal(y, expected) and torch.equal(x.grad, other.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_takes(kind):
    frozen = FrozenLinear(make_linear(3072, 3072, torch.bfloat16), kind)
    taken = sum(buffer.nbytes for name, buffer in frozen.named_buffers() if name != "bias")
    assert taken / 3072**2 == pytest.approx(bytes_per_weight(kind), rel=2e-3)
    assert not list(frozen.parameters()) and not frozen.state_dict(), "no optimizer and no file sees it"
    assert bytes_per_weight("none") == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_compiled", [False, True])
def test_no_whole_weight_is_kept_for_the_backward_pass(kind, is_compiled):
    """Two linears, so that the first one's weight is needed in the backward pass too."""
    model = nn.Sequential(make_linear(160, 160), nn.SiLU(), make_linear(160, 160))
    quantise(model, kind)
    x, plain = make_input(), make_input()
    model(plain).sum().backward()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        y = (torch.compile(model, fullgraph=True) if is_compiled else model)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, plain.grad, rtol=1e-4, atol=1e-6)
    shapes = [(tuple(tensor.shape), tensor.dtype) for tensor in kept]
    assert shapes and ((160, 160), torch.float32) not in shapes, shapes


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_changes_nothing(kind):
    frozen, x, other = FrozenLinear(make_linear(), kind), make_input(), make_input()
    checkpoint(frozen, x, use_reentrant=False).square().sum().backward()
    frozen(other).square().sum().backward()
    assert torch.equal(x.grad, other.grad)


def test_every_linear_of_a_block_is_replaced_in_place(transformer):
    block = transformer.transformer_blocks[0]
    names = [name for name, module in block.named_modules() if isinstance(module, nn.Linear)]
    expected = copy.deepcopy(block.ff.net[2].bias)
    quantise(block, "none")
    assert isinstance(block.attn.to_q, nn.Linear)
    quantise(block, "int8", matmul_8bit=True)
    assert len(names) == 14 and all(isinstance(block.get_submodule(name), FrozenLinear) for name in names)
    assert not any(isinstance(module, nn.Linear) for module in block.modules())
    frozen = block.ff.net[2]
    assert (frozen.in_features, frozen.out_features, frozen.compute_dtype) == (640, 160, torch.float32)
    assert torch.equal(frozen.bias, expected) and frozen.matmul_8bit
    assert str(frozen) == "FrozenLinear(640, 160, kind=int8, matmul_8bit=True)"


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_of_zeros(kind):
    linear = make_linear(64, 32)
    linear.weight[3] = 0
    weight = FrozenLinear(linear, kind).whole_weight()
    assert weight.isfinite().all() and not weight[3].any()


class Packing(TorchDispatchMode):
    """Notes how many weights bitsandbytes is given at once: on a CPU it takes seven times their memory beside them."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.bitsandbytes.quantize_4bit.default:
            self.sizes.append(args[0].numel())
        return func(*args, **(kwargs or {}))


def test_nf4_packed_in_parts_is_nf4_packed_at_once(monkeypatch):
    weight = torch.randn(96, 192, generator=torch.Generator().manual_seed(1)).bfloat16()
    whole = KINDS["nf4"].pack(weight)
    monkeypatch.setattr("trainer.quantise.AT_ONCE", 7)
    with Packing() as packing:
        parts = KINDS["nf4"].pack(weight)
    assert sum(packing.sizes) == weight.numel() and max(packing.sizes) == 7 * 64
    assert all(torch.equal(one, other) for one, other in zip(parts, whole, strict=True))
