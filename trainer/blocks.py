"""The repeated blocks of a transformer: which are computed twice instead of kept, and which wait in the host's memory.

Both replace what happens when a block is called, in either order and as often as wanted, after the LoRA is on it. Neither
changes a number. A checkpointed block keeps its inputs alone and is computed again in the backward pass (Chen et al. 2016,
arXiv 1604.06174). A swapped block, which has to be checkpointed, has its frozen weights in the host's memory; they are copied
to one of two places on the device ahead of their use. The base is frozen, so that nothing is ever copied back."""

import itertools
import math
import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer.quantise import quantise
from trainer.report import warn
from trainer.trace import find_lists
from trainer.weights import Finish

ALIGNMENT = 256  # bytes between the starts of two tensors: kernels like theirs at a multiple of it
PLACES = 2  # on the device, for one block each: one at work, one on its way


def find_blocks(transformer: Any) -> list[nn.Module]:
    """In order of execution."""
    return [block for blocks in find_lists(transformer) for block in blocks]


def checkpoint_blocks(transformer: Any, count: int) -> None:
    """Computes the first `count` blocks twice, and keeps what the others compute.

    The first ones: when the backward pass comes to them, and one of them is whole again for a while, what the others kept
    is gone. Of the last ones, the first to be whole again would be so beside all that is kept."""
    for number, turn in enumerate(find_turns(transformer)):
        turn.is_checkpointed = number < count


def swap_blocks(transformer: Any, count: int, device: torch.device) -> None:
    """Leaves the frozen weights of `count` blocks in the host's memory. What is learned of them goes to the device."""
    turns = find_turns(transformer)
    chosen = [turns[number] for number in choose_swapped(len(turns), count)]
    for turn in turns:  # an earlier choice is taken back
        if turn.swap:
            turn.swap.settle()
        turn.swap = None
        if turn.home:
            turn.home.point(turn.home.views)
    for turn in chosen:  # room is made before it is taken
        turn.home = turn.home or _Home(turn.block, device)
    for turn in turns:
        if turn.home and turn not in chosen:
            turn.block.to(device)
            turn.home = None
    if chosen:
        swap = _Swap([turn.home for turn in chosen if turn.home], device)
        for number, turn in enumerate(chosen):
            turn.swap, turn.number = swap, number


def choose_swapped(blocks: int, count: int) -> list[int]:
    """The numbers of the blocks that are swapped: evenly spread, so that others are at work while a block is copied."""
    count = min(count, blocks)
    return [(2 * number + 1) * blocks // (2 * count) for number in range(count)]


def make_finish(blocks: int, swapped: int, kind: str, matmul_8bit: bool) -> Finish:
    """For loading a transformer with so many blocks: each is quantised when it is whole, and leaves the device if swapped."""
    chosen, numbers = choose_swapped(blocks, swapped), itertools.count()

    def finish(name: str, block: nn.Module) -> None:
        if not name.rpartition(".")[2].isdigit():
            return  # it stands outside the blocks: an embedder, or what comes after them
        quantise(block, kind, matmul_8bit)
        if next(numbers) in chosen:
            block.to("cpu")

    return finish


def find_turns(transformer: Any) -> list["Turn"]:
    """One for each block."""
    return [_find_turn(block) for block in find_blocks(transformer)]


def _find_turn(block: nn.Module) -> "Turn":
    if not isinstance(block.forward, Turn):
        block.forward = Turn(block)
    return block.forward


class Turn:
    """What happens when a block is called. `compute` is what it computes; torch.compile may be put on that alone."""

    def __init__(self, block: nn.Module):
        self.block, self.compute = block, block.forward
        self.is_checkpointed = False
        self.home: _Home | None = None
        self.swap: _Swap | None = None
        self.number = 0  # among the swapped
        self.is_called = False  # in the forward pass; otherwise the backward pass wants it again

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.is_called = True
        try:
            if torch.is_grad_enabled() and (self.is_checkpointed or self.swap):
                out = checkpoint(self._compute, *args, use_reentrant=False, preserve_rng_state=self.draws, **kwargs)
            else:
                out = self._compute(*args, **kwargs)
        finally:
            self.is_called = False
        if self.swap:
            self.swap.leave(self.number)
        return out

    def _compute(self, *args: Any, **kwargs: Any) -> Any:
        if self.swap:
            self.swap.enter(self.number, is_forward=self.is_called)
        return self.compute(*args, **kwargs)

    @cached_property
    def draws(self) -> bool:
        """Whether the block draws random numbers, which have to be the same the second time."""
        chances = [getattr(module, name, 0) for module in self.block.modules() for name in ("p", "dropout")]
        return any(isinstance(chance, float) and chance > 0 for chance in chances)


# ---- swapping --------------------------------------------------------------------------------------------------------
class _Home:
    """All that is frozen of a block, one tensor after another, in the host's memory."""

    def __init__(self, block: nn.Module, device: torch.device):
        self.tensors = [tensor for tensor in [*block.parameters(), *block.buffers()] if not tensor.requires_grad]
        sizes = [math.ceil(tensor.nbytes / ALIGNMENT) * ALIGNMENT for tensor in self.tensors]
        self.starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self.memory = torch.empty(sum(sizes), dtype=torch.uint8)
        if device.type == "cuda":
            _pin(self.memory)
        self.views = self.find_views(self.memory)
        for tensor, view in zip(self.tensors, self.views, strict=True):
            view.copy_(tensor)
        self.point(self.views)
        for parameter in block.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(device)

    def find_views(self, memory: Tensor) -> list[Tensor]:
        """The tensors as they lie in a copy of the memory."""
        pairs = zip(self.tensors, self.starts, strict=True)
        return [memory[start : start + own.nbytes].view(own.dtype).view(own.shape) for own, start in pairs]

    def point(self, views: list[Tensor]) -> None:
        """Says where the block's tensors are."""
        for tensor, view in zip(self.tensors, views, strict=True):
            tensor.data = view


def _pin(memory: Tensor) -> None:
    """Lets the GPU copy from it on its own. PyTorch's own pinned memory comes in powers of two, up to twice as much.

    Where the host allows no more of it, copies are slower and nothing else is changed."""
    runtime = torch.cuda.cudart()
    try:
        torch.cuda.check_error(runtime.cudaHostRegister(memory.data_ptr(), memory.nbytes, 0))
    except torch.cuda.CudaError as error:
        warn(f"{memory.nbytes / 2**20:.0f} MiB of a swapped block cannot be pinned, so it is copied more slowly ({error})")
        return
    weakref.finalize(memory, runtime.cudaHostUnregister, memory.data_ptr()).atexit = False


@dataclass
class _Place:
    """Room for one block on the device."""

    memory: Tensor
    views: list[list[Tensor]]  # by block: its tensors, were they here
    holds: int | None = None
    arrived: Any = None  # event


class _Swap:
    """Brings blocks to the device in the order in which they are called: up in the forward pass, down in the backward pass.

    When a block is entered in the backward pass, all work of the one before it is on its way: autograd does first what was
    computed last. So a place is free when the device has done what it was told until then; a copy waits for that."""

    def __init__(self, homes: list[_Home], device: torch.device):
        self.homes, self.device = homes, device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        size = max(len(home.memory) for home in homes)
        self.places: list[_Place] = []
        for _ in range(min(PLACES, len(homes))):
            memory = torch.empty(size, dtype=torch.uint8, device=device)
            self.places.append(_Place(memory, [home.find_views(memory) for home in homes]))

    def enter(self, number: int, is_forward: bool) -> None:
        """A block is about to compute: waits for its weights, and sends for those of the next."""
        self._send_for(number, keep=number)
        place = next(place for place in self.places if place.holds == number)
        if place.arrived:
            torch.cuda.current_stream(self.device).wait_event(place.arrived)
        self._send_for(number + 1 if is_forward else number - 1, keep=number)

    def leave(self, number: int) -> None:
        """A block has computed in the forward pass: its place is free for the next but one.

        At the end nothing is sent for, the backward pass begins with what is there; where there is none, it begins anew."""
        following, count = number + len(self.places), len(self.homes)
        self._send_for(following if torch.is_grad_enabled() else following % count, keep=(number + 1) % count)

    def settle(self) -> None:
        """Waits for copies on their way: the room that they are made into may then be given to others."""
        if self.stream is not None:
            self.stream.synchronize()

    def _send_for(self, number: int, keep: int) -> None:
        """Copies a block, if there is one and it is not there, to a place that does not hold the one to keep."""
        free = [place for place in self.places if place.holds != keep]
        if not free or not 0 <= number < len(self.homes) or number in [place.holds for place in self.places]:
            return
        place, home = free[0], self.homes[number]
        if place.holds is not None:
            self.homes[place.holds].point(self.homes[place.holds].views)
        self._copy(home.memory, place)
        place.holds = number
        home.point(place.views[number])

    def _copy(self, memory: Tensor, place: _Place) -> None:
        room = place.memory[: len(memory)]
        if self.stream is None:
            room.copy_(memory)
            return
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            room.copy_(memory, non_blocking=True)
            place.arrived = self.stream.record_event()
