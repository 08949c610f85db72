"""The frozen base in 8 or 4 bits: each linear of a block is replaced, in place, by one that keeps its weight small.

int8 and fp8 (e4m3) have a scale for each output channel. nf4 has one for each 64 weights, itself in 8 bits (QLoRA: Dettmers
et al. 2023, arXiv 2305.14314, section 3); it needs bitsandbytes. A weight is made whole again for each product, forward and
backward, and never kept so. All linears of the blocks are replaced, modulation too: in FLUX.1 that is a quarter of all
weights. What stands outside the blocks is less than a hundredth of them, and stays as it is.

What it costs in precision, in the Frobenius norm, as test_quantise.py measures it on flux-mini: a weight is off by 0.7 % in
int8, 2.6 % in fp8, 9 % in nf4, and the velocity by 1.1 %, 2.4 % and 7.9 %, where bf16 by itself is off by 0.9 %. Modulation is
the smaller part of it: with whole modulation, 7.6 % would be left in nf4."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.w8a8 import FEWEST_ROWS, MULTIPLE, multiply_8bit

INT8_MAX, FP8_MAX = 127, 448  # the largest numbers of int8 that has a negative, and of e4m3
SMALLEST = 1e-30  # of a scale: a channel of zeros has one too
BLOCK = 64  # weights under one scale in nf4
AT_ONCE = 2**15  # blocks that are packed to nf4 together
SCALES = 256  # scales under one scale in nf4
Packed = tuple[Tensor, ...]


# ---- the kinds -------------------------------------------------------------------------------------------------------
def _pack_int8(weight: Tensor) -> Packed:
    """Scales are rounded to what bf16 holds, so that a product in bf16 has the same ones."""
    scale = (weight.float().abs().amax(1, keepdim=True) / INT8_MAX).clamp(min=SMALLEST).bfloat16().float()
    return (weight / scale).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8), scale


def _pack_fp8(weight: Tensor) -> Packed:
    """Scales are powers of two: as good as others for floating point, and a product with them is exact."""
    largest = weight.float().abs().amax(1, keepdim=True).clamp(min=SMALLEST)
    scale = torch.exp2(torch.ceil(torch.log2(largest / FP8_MAX)))
    return (weight / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


def _unpack_rows(packed: Packed, dtype: torch.dtype) -> Tensor:
    weight, scale = packed
    return weight.to(dtype).mul_(scale.to(dtype))


def _pack_nf4(weight: Tensor) -> Packed:
    """Packed weights (N, K/2), their scales as shares of the largest of 256, and these largest. N K is a multiple of BLOCK."""
    _import_bitsandbytes()
    parts = weight.reshape(-1, BLOCK).split(AT_ONCE)  # a CPU's way to pack takes many times the memory of what it packs
    made = [torch.ops.bitsandbytes.quantize_4bit(part, BLOCK, "nf4", torch.uint8) for part in parts]
    packed, scale = (torch.cat([part.flatten() for part in each]) for each in zip(*made, strict=True))
    padded = _in_rows_of(SCALES, scale.float())
    largest = padded.amax(1, keepdim=True).clamp(min=SMALLEST)
    shares = (padded / largest * 255).round().to(torch.uint8)
    return packed.view(len(weight), -1), shares.flatten()[: len(scale)].clone(), largest


def _unpack_nf4(packed: Packed, dtype: torch.dtype) -> Tensor:
    """In rows of one block: on a CPU, bitsandbytes 0.50 takes the scales of other blocks where a row ends within one."""
    weight, shares, largest = packed
    scale = (_in_rows_of(SCALES, shares) * (largest / 255)).flatten()[: len(shares)]
    whole = torch.ops.bitsandbytes.dequantize_4bit(weight, scale, BLOCK, "nf4", (len(scale), BLOCK), dtype)
    return whole.view(len(weight), -1)


def _in_rows_of(size: int, tensor: Tensor) -> Tensor:
    """(any shape) -> (rows, size), zeros at the end."""
    flat = tensor.flatten()
    return functional.pad(flat, (0, -len(flat) % size)).view(-1, size)


def _import_bitsandbytes() -> None:
    """On its first use, as it takes seconds. Without the line that it writes on a CPU, about a kernel that we do not use."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import bitsandbytes  # noqa: F401


@dataclass(frozen=True)
class Kind:
    """One way to keep a weight."""

    bytes_per_weight: float
    pack: Callable[[Tensor], Packed]  # of a weight (N, K)
    unpack: Callable[[Packed, torch.dtype], Tensor]


KINDS = {
    "fp8": Kind(1, _pack_fp8, _unpack_rows),
    "int8": Kind(1, _pack_int8, _unpack_rows),
    "nf4": Kind(1 / 2 + 1 / BLOCK + 4 / (BLOCK * SCALES), _pack_nf4, _unpack_nf4),
}


def bytes_per_weight(kind: str) -> float:
    """Of a linear in the blocks, scales included; "none" is bf16."""
    return KINDS[kind].bytes_per_weight if kind in KINDS else 2


# ---- the linear ------------------------------------------------------------------------------------------------------
class FrozenLinear(nn.Module):
    """y = x W^T + b with a small W that is not learned. N output channels, K input channels.

    What it keeps are buffers that no state dict has: optimizers, reductions and files do not see them."""

    weight: Tensor
    scale: Tensor
    scale_of_scales: Tensor | None
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, kind: str, matmul_8bit: bool = False):
        super().__init__()
        self.in_features, self.out_features, self.kind = linear.in_features, linear.out_features, kind
        self.compute_dtype = linear.weight.dtype
        self.matmul_8bit = matmul_8bit and not any(size % MULTIPLE for size in linear.weight.shape)
        weight, scale, *more = KINDS[kind].pack(linear.weight.detach())
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("scale_of_scales", more[0] if more else None, persistent=False)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N), in the numbers of x. Few rows, as in modulation, are not worth their rounding to 8 bits."""
        if self.matmul_8bit and x.numel() > FEWEST_ROWS * self.in_features:
            return multiply_8bit(x, self.weight, self.scale, self.bias)
        return _Product.apply(x, self.weight, self.scale, self.scale_of_scales, self.bias, self.kind)

    def whole_weight(self) -> Tensor:
        """(N, K), as the products have it."""
        return KINDS[self.kind].unpack(_pack(self.weight, self.scale, self.scale_of_scales), self.compute_dtype)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, kind={self.kind}, matmul_8bit={self.matmul_8bit}"


def quantise(module: nn.Module, kind: str, matmul_8bit: bool = False) -> None:
    """Replaces every nn.Linear in a module (a block); "none" replaces none. The work is done where the weights are.

    matmul_8bit: products in 8 bits as well, both ways (w8a8.py); for int8 and fp8."""
    if kind == "none":
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, FrozenLinear(child, kind, matmul_8bit))
        else:
            quantise(child, kind, matmul_8bit)


# ---- its product -----------------------------------------------------------------------------------------------------
class _Product(torch.autograd.Function):
    """Keeps the small weight for the backward pass.

    Both ways are operators of their own, opaque to torch.compile: of plain ones it sees that the whole weight is made twice,
    makes it once, and keeps it (test_quantise.py), which is the memory that we are here to save."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, more: Tensor | None, bias: Tensor | None, kind: str
    ) -> Tensor:
        ctx.save_for_backward(weight, scale, more)
        ctx.kind, ctx.columns = kind, x.shape[-1]
        return torch.ops.fluxgym.frozen_linear(x, _pack(weight, scale, more), bias, kind)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, scale, more = ctx.saved_tensors  # a checkpoint hands them out once
        back = torch.ops.fluxgym.frozen_linear_backward(grad, _pack(weight, scale, more), ctx.kind, ctx.columns)
        return back, None, None, None, None, None


def _pack(weight: Tensor, scale: Tensor, more: Tensor | None) -> Packed:
    return (weight, scale) if more is None else (weight, scale, more)


def _linear(x: Tensor, packed: list[Tensor], bias: Tensor | None, kind: str) -> Tensor:
    return functional.linear(x, KINDS[kind].unpack(tuple(packed), x.dtype), bias)


def _linear_backward(grad: Tensor, packed: list[Tensor], kind: str, columns: int) -> Tensor:
    return grad @ KINDS[kind].unpack(tuple(packed), grad.dtype)


def _linear_shape(x: Tensor, packed: list[Tensor], bias: Tensor | None, kind: str) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(packed[0]))


def _linear_backward_shape(grad: Tensor, packed: list[Tensor], kind: str, columns: int) -> Tensor:
    return grad.new_empty(*grad.shape[:-1], columns)


LIBRARY = torch.library.Library("fluxgym", "DEF")
LIBRARY.define("frozen_linear(Tensor x, Tensor[] packed, Tensor? bias, str kind) -> Tensor")
LIBRARY.define("frozen_linear_backward(Tensor grad, Tensor[] packed, str kind, SymInt columns) -> Tensor")
LIBRARY.impl("frozen_linear", _linear, "CompositeExplicitAutograd")
LIBRARY.impl("frozen_linear_backward", _linear_backward, "CompositeExplicitAutograd")
torch.library.register_fake("fluxgym::frozen_linear", _linear_shape)
torch.library.register_fake("fluxgym::frozen_linear_backward", _linear_backward_shape)
