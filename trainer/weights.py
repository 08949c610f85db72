"""The tensors in .safetensors files: read one at a time, and put into a model block by block.

Tensors are read, not mapped: what was read is either in the model or gone, so that a model of 24 GB is loaded with room for
itself and one block. What their headers say, and whether they are whole: header.py."""

import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from trainer.header import WeightsError, read_header

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
}
SCALES = ("scale_weight", "weight_scale")  # leaves under which ComfyUI keeps the factor of an fp8 weight, its older name first
COUNTER = "num_batches_tracked"  # of a BatchNorm: in some files and not in others, and of no use
PLAIN = "expected floating point: take the model's bf16 or fp8 file instead"
Finish = Callable[[str, nn.Module], None]


@dataclass(frozen=True)
class Place:
    """Where one tensor lies."""

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int  # first byte

    def read(self, rows: tuple[int, int] | None = None) -> Tensor:
        """The tensor, or from one of its rows up to another. Raises WeightsError where the file was cut off since."""
        first, end = rows or (0, self.shape[0] if self.shape else 1)
        width = math.prod(self.shape[1:])
        tensor = _allocate((end - first) * width, self.dtype)
        left = memoryview(tensor.view(torch.uint8).numpy())
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start + first * width * self.dtype.itemsize)
            while left:  # one call gives at most 2 GiB
                if not (got := stream.readinto(left)):
                    raise WeightsError(self.file, f"ends {len(left)} bytes too early: download it again")
                left = left[got:]
        return tensor.reshape(self.shape if rows is None else (end - first, *self.shape[1:]))


@dataclass(frozen=True)
class Source:
    """What a tensor is made of: some or all rows of one in a file, their halves perhaps the other way round, and its factor."""

    place: Place
    shape: tuple[int, ...]
    rows: tuple[int, int] | None = None
    is_swapped: bool = False
    scale: Place | None = None

    def read(self) -> Tensor:
        tensor = self.place.read(self.rows)
        if self.scale is not None:
            scale = self.scale.read().float()
            if self.rows and scale.numel() == self.place.shape[0]:
                scale = scale.flatten()[slice(*self.rows)]
            tensor = tensor.float() * scale.reshape(-1, *[1] * (tensor.dim() - 1))
        if self.is_swapped:
            tensor = torch.cat(tensor.chunk(2)[::-1])
        return tensor.reshape(self.shape)  # a 1x1 convolution may be a linear with us


class Weights(Mapping[str, Tensor]):
    """Tensors by name, each read when it is asked for."""

    def __init__(self, sources: Mapping[str, Source]):
        self.sources = dict(sources)

    def __getitem__(self, name: str) -> Tensor:
        return self.sources[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: source.shape for name, source in self.sources.items()}

    def under(self, prefix: str) -> "Weights":
        """Those whose names begin so, without it."""
        return Weights({name.removeprefix(prefix): source for name, source in self.sources.items() if name.startswith(prefix)})


def _allocate(count: int, dtype: torch.dtype) -> Tensor:
    """Room for numbers. Much of it lies outside of the heap, which would keep the holes that quantised weights leave.

    In large pages, where there are such: a file is read into them two to four times as fast."""
    size = count * dtype.itemsize
    if size < 2**20:
        return torch.empty(count, dtype=dtype)
    room = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        room.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(room, dtype=dtype)


# ---- files -----------------------------------------------------------------------------------------------------------
def open_weights(*files: Path) -> Weights:
    """All tensors of some files: of one, or of the shards of one. Raises WeightsError about numbers that are no weights.

    A factor beside an fp8 weight, as ComfyUI's scaled files have it, belongs to the weight."""
    places: dict[str, Place] = {}
    for file in files:
        for name, entry in read_header(file).items():
            if dtype := DTYPES.get(entry["dtype"]):
                places[name] = Place(file, dtype, tuple(entry["shape"]), entry["start"])
            elif name.endswith((".weight", *SCALES)):
                problem = f"{name}: got numbers of type {entry['dtype']}, as in a 4-bit or 8-bit file"
                raise WeightsError(file, f"{problem}; {PLAIN}")
    return Weights({name: Source(place, place.shape, scale=_find_scale(name, places)) for name, place in places.items()})


def _find_scale(name: str, places: Mapping[str, Place]) -> Place | None:
    module, _, leaf = name.rpartition(".")
    if leaf != "weight":
        return None
    scale = next((places[f"{module}.{scale}"] for scale in SCALES if f"{module}.{scale}" in places), None)
    if scale and math.prod(scale.shape) not in (1, places[name].shape[0]):
        problem = f"{name}: got factors of shape {scale.shape}, expected one, or one for each row"
        raise WeightsError(scale.file, f"{problem}; {PLAIN}")
    return scale


# ---- into a model ----------------------------------------------------------------------------------------------------
def make_empty(build: Callable[[], nn.Module]) -> nn.Module:
    """A model without weights: they are on the meta device; what it computes for itself when it is built is real."""
    with init_empty_weights(include_buffers=False):
        return build().requires_grad_(False).eval()


def find_mismatches(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What of a module is not in some weights, or has another shape there, one sentence each; empty when all of it fits."""
    wanted = {name: tuple(tensor.shape) for name, tensor in _list_tensors(module)}
    problems = []
    if missing := [name for name in wanted if name not in shapes]:
        problems.append(f"{len(missing)} of {len(wanted)} weights are not there, such as {missing[0]}")
    other = [name for name, shape in wanted.items() if shapes.get(name, shape) != shape]
    if other:
        got, expected = shapes[other[0]], wanted[other[0]]
        problems.append(f"{len(other)} weights have another shape, such as {other[0]}: got {got}, expected {expected}")
    return problems


def _list_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All that is to be read: the parameters, and the buffers that are kept in files."""
    kept = module.state_dict(keep_vars=True)
    yield from ((name, tensor) for name, tensor in kept.items() if name.rpartition(".")[2] != COUNTER)


def stream_into(
    module: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype, device: torch.device, finish: Finish | None = None
) -> None:
    """Fills a module of `make_empty`, block by block in the order of its children.

    Each tensor goes to the device as it lies in the file and is cast there; `finish(name, block)` is called when a block
    (a child, or an entry of a child that is a ModuleList) is whole, before the next is begun: it may quantise and move it."""

    def read(name: str) -> Tensor:
        tensor = tensors[name].to(device)
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    _fill(module, "", read, device)
    for path, block in _list_blocks(module):
        for name, part in block.named_modules(prefix=path):
            _fill(part, name, read, device)
        if finish is not None:
            finish(path, block)


def _list_blocks(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{number}", block) for number, block in enumerate(child))
        else:
            yield name, child


def _fill(part: nn.Module, path: str, read: Callable[[str], Tensor], device: torch.device) -> None:
    """The tensors of one module itself, without those of its children."""
    prefix = f"{path}." if path else ""
    for name, _ in list(part.named_parameters(recurse=False)):
        part.register_parameter(name, nn.Parameter(read(prefix + name), requires_grad=False))
    kept = part.state_dict()
    for name, buffer in list(part.named_buffers(recurse=False)):
        is_read = name in kept and name != COUNTER
        part.register_buffer(name, read(prefix + name) if is_read else buffer.to(device), persistent=name in kept)
