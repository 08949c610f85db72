"""Products in 8 bits, forward and backward, with a frozen 8-bit weight: up to twice the speed of bf16 on GPUs that have them.

y = x W^T with x rounded to 8 bits, one scale for each token; dx = g W with g rounded likewise. W is not learned, so there is
no third product and nothing but W to keep for the backward pass. Its scales belong to output channels: forward they stand
outside the sum, backward inside, so there they are multiplied into g before g is rounded. The rounding is as in LLM.int8()
(Dettmers et al. 2022, arXiv 2208.07339): scales by token and channel, and the few input channels that are far larger than
all others are multiplied apart, at whole precision. fp8 needs no such care, its steps grow with the numbers.

What rounding x costs, in the Frobenius norm against the product of whole numbers with the same weight, on what the linears of
flux-mini are given (test_w8a8.py): int8 0.7 % forward and 0.9 % backward on average, 1.8 % at most; fp8 1.7 % and 2.0 %, 3.1 %
at most. That is the price of e4m3: with 3 bits of fraction, numbers are off by 2.6 % whatever the scales. The loss after 200
steps is that of bf16 within 0.3 % either way. Where both are as fast, int8 is the more exact one; on data-centre Blackwell
PyTorch's int8 product is slower than bf16 (pytorch/pytorch#187094)."""

import math
from typing import Any

import torch
from torch import Tensor

FEWEST_ROWS = 16  # the int8 product of CUDA needs more
MULTIPLE = 16  # of channels in and out, which the fp8 product of CUDA needs; int8 needs 8
LARGEST = {torch.int8: 127, torch.float8_e4m3fn: 448}
SMALLEST = 1e-30  # of a scale: a token of zeros has one too
OUTLIERS = 64  # one in so many input channels is multiplied apart
LOOKED_AT = 4  # one in so many tokens is looked at for outliers: they are outliers in all tokens
NEEDED = {"int8": (8, 0), "fp8": (8, 9)}  # compute capability
CARDS = {"int8": "RTX 30 series, A100", "fp8": "RTX 40 series, L40, H100"}


def check_device(kind: str, device: torch.device) -> None:
    """Raises ValueError where a device has no products in 8 bits. A CPU has them, slow ones, for tests."""
    if device.type != "cuda":
        return
    got = torch.cuda.get_device_capability(device)
    if got < NEEDED[kind]:
        expected = ".".join(map(str, NEEDED[kind]))
        others = "".join(f', or model.quantise = "{other}"' for other, least in NEEDED.items() if got >= least)
        raise ValueError(
            f"model.matmul_8bit: got a GPU of compute capability {got[0]}.{got[1]}, which multiplies no {kind}; expected "
            f"{expected} or newer ({CARDS[kind]}), or model.matmul_8bit = false{others}"
        )


@torch.compiler.allow_in_graph
def multiply_8bit(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """(..., K) with a frozen weight (N, K) in int8 or fp8 and its scales (N, 1) -> (..., N), in the numbers of x.

    K and N are multiples of MULTIPLE, and x has more than FEWEST_ROWS rows. torch.compile takes it into its graph unread: of
    two autograd functions in one graph, PyTorch 2.13 cannot read the second where sizes are dynamic."""
    return _Product.apply(x, weight, scale, bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight, scale)
        y = _multiply(x.flatten(0, -2), weight.t(), scale.t())  # (M, N)
        return (y if bias is None else y.add_(bias)).to(x.dtype).view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, scale = ctx.saved_tensors
        scaled = grad.flatten(0, -2) * scale.t().to(grad.dtype)  # (M, N)
        # the kernels want the second factor by columns (int8 would do without, at half the speed: pytorch/pytorch#165230):
        # it is turned for each product, as a second copy would double the base
        turned = weight.t().contiguous().t()
        back = _multiply(scaled, turned, scale.new_ones(1, weight.shape[1]))
        return back.to(grad.dtype).view(*grad.shape[:-1], weight.shape[1]), None, None, None


def _multiply(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x (M, K) by weight (K, N) of 8 bits, stored by columns, with scales (1, N) -> (M, N)."""
    if weight.dtype != torch.int8:
        x8, scales = _round(x, weight.dtype)
        return torch._scaled_mm(x8, weight, scales, scale.contiguous(), out_dtype=torch.bfloat16, use_fast_accum=True)
    outliers = _find_outliers(x)
    apart = x[:, outliers] @ weight[outliers].to(x.dtype)
    x8, scales = _round(x * torch.ones_like(x[0]).index_fill(0, outliers, 0), weight.dtype)
    return (torch._int_mm(x8, weight) * scales).add_(apart).mul_(scale)


def _find_outliers(x: Tensor) -> Tensor:
    """The numbers of the input channels with the largest values."""
    count = math.ceil(x.shape[1] / (OUTLIERS * MULTIPLE)) * MULTIPLE
    return x[::LOOKED_AT].abs().amax(0).topk(count).indices


def _round(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x (M, K) in 8 bits and its scales (M, 1). What is not finite makes its token's scale so, and is seen in the loss."""
    largest = torch.linalg.vector_norm(x, math.inf, dim=1, keepdim=True)
    scale = (largest.float() / LARGEST[dtype]).clamp(min=SMALLEST)
    scaled = x.contiguous() / scale  # fp32; CUDA's products want it row by row, whatever order a gradient comes in
    return (scaled.round_() if dtype == torch.int8 else scaled).to(dtype), scale
