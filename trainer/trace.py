"""What one image costs, found by a forward pass without numbers: FLOPs, and the bytes that wait for the backward pass.

A twin of the transformer on PyTorch's meta device has the shapes and the graph of the real one, but no memory and no
arithmetic. What is counted on it holds for every family and every LoRA. Of each kind of block the twin has two, the
first and one that stands for all others, so that a look at FLUX.1 takes a few hundredths of a second."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

KEPT_OF_EACH = 2  # blocks of each kind in a twin
FLASH_BACKWARD = 2.5  # times the forward pass: five products of which it has two (Dao 2023, arXiv 2307.08691, section 4.1)
PRODUCTS = {F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, torch.bmm}


@dataclass
class Part:
    """What one block costs, or all that is around the blocks."""

    forward: float = 0.0  # FLOPs
    backward: float = 0.0  # FLOPs, of gradients that are needed: a frozen weight has none
    kept: int = 0  # bytes that its forward pass keeps for its backward pass
    entry: int = 0  # bytes of its inputs: what is kept of it where it is checkpointed


@dataclass(frozen=True)
class Trace:
    """The blocks in order of execution, and the rest. Of the batch that was traced."""

    blocks: tuple[Part, ...]
    rest: Part

    @property
    def forward(self) -> float:
        return self.rest.forward + sum(part.forward for part in self.blocks)

    @property
    def backward(self) -> float:
        return self.rest.backward + sum(part.backward for part in self.blocks)


@dataclass(frozen=True)
class Twin:
    """A transformer without numbers. `copies` says how many real blocks each of its blocks stands for."""

    model: Any
    copies: tuple[int, ...]


def make_twin(build: Callable[[], Any], dtype: torch.dtype, keep: int | None = KEPT_OF_EACH) -> Twin:
    """The twin of the transformer that `build` makes; frozen, as the real one is before its LoRA.

    `keep` so many blocks of each kind, at least two; None: all, where they are not alike."""
    with torch.device("meta"):
        model = build()
    copies: list[int] = []
    for blocks in find_lists(model):
        left = len(blocks) if keep is None else min(keep, len(blocks))
        copies += [1] * (left - 1) + [1 + len(blocks) - left]
        del blocks[left:]
    for parameter in model.requires_grad_(False).parameters():
        parameter.data = parameter.data.to(dtype)
    return Twin(model, tuple(copies))


def find_lists(transformer: Any) -> list[nn.ModuleList]:
    """The lists of repeated blocks, in order of execution, which is that in which they are written down."""
    kinds = set(transformer._repeated_blocks)
    lists = [module for module in transformer.modules() if isinstance(module, nn.ModuleList)]
    return [module for module in lists if len(module) and type(module[0]).__name__ in kinds]


def trace(twin: Twin, forward: Callable[[Any], Any]) -> Trace:
    """What `forward(model)` costs on the real transformer. Its tensors have to be on the meta device."""
    model, counter = twin.model, _Counter()
    for parameter in [*model.parameters(), *model.buffers()]:
        counter.know(parameter)
    blocks = [block for blocks in find_lists(model) for block in blocks]
    with counter.watching(blocks), torch.autograd.graph.saved_tensors_hooks(counter.keep, lambda kept: kept), counter:
        forward(model)
    parts = (replace(part) for part, count in zip(counter.blocks, twin.copies, strict=True) for _ in range(count))
    return Trace(tuple(parts), counter.rest)


@dataclass
class _Counter(TorchFunctionMode):
    """Sees every call of PyTorch's functions, every tensor that waits for the backward pass, and which block is at work."""

    rest: Part = field(default_factory=Part)
    blocks: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.at = self.rest
        self.known: dict[int, Any] = {}  # storages that are counted, held so that no other one gets their number
        self.entries: dict[int, Any] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return self._attend(*args[:3], **(kwargs or {}))
        out = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            left, right = args[0], args[1]
            inner = left.shape[-1]
            self._count(2.0 * out.numel() * inner, left.requires_grad + right.requires_grad)
        return out

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """(B, heads, T, D), as a fused kernel does it: the matrix of all pairs of tokens is never there."""
        pairs = math.prod(query.shape[:-1]) * key.shape[-2]
        needs_grad = any(tensor.requires_grad for tensor in (query, key, value))
        self._count(2.0 * pairs * (query.shape[-1] + value.shape[-1]), FLASH_BACKWARD * needs_grad)
        return _Flash.apply(query, key, value)

    def _count(self, flops: float, backward: float) -> None:
        self.at.forward += flops
        self.at.backward += flops * backward

    def know(self, tensor: Tensor) -> int:
        """Bytes of a tensor's memory that were not counted yet. Views share theirs."""
        storage = tensor.untyped_storage()
        if storage._cdata in self.known:
            return 0
        self.known[storage._cdata] = storage
        return storage.nbytes()

    def keep(self, tensor: Tensor) -> Tensor:
        self.at.kept += self.know(tensor)
        return tensor

    @contextmanager
    def watching(self, blocks: list[nn.Module]) -> Iterator[None]:
        handles = [block.register_forward_pre_hook(self._enter, with_kwargs=True) for block in blocks]
        handles += [block.register_forward_hook(self._leave) for block in blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, block: nn.Module, args: Any, kwargs: Any) -> None:
        self.at = Part()
        self.blocks.append(self.at)
        for tensor in [*args, *kwargs.values()]:
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage())._cdata not in self.entries:
                self.entries[storage._cdata] = storage
                self.at.entry += storage.nbytes()

    def _leave(self, block: nn.Module, args: Any, output: Any) -> None:
        self.at = self.rest


class _Flash(torch.autograd.Function):
    """Fused attention as far as memory goes: it keeps what goes in, what comes out, and one fp32 number for each row."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty_like(query)
        rows = torch.empty(query.shape[:-1], dtype=torch.float32, device=query.device)
        ctx.save_for_backward(query, key, value, out, rows)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError("a trace has no backward pass")
