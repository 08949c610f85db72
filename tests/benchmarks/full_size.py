"""FLUX.1 at its real size with random weights, which take the time of the real ones: one table of seconds, MFU and memory.

`step --full` prints it on a GPU, `step --tiny` the same with flux-mini's sizes on any machine, to see that it runs."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.trainer.real_size import make_batch, make_flux1
from trainer import mini
from trainer.arrange import Arrangement, find_demand, find_free
from trainer.blocks import find_blocks, make_finish
from trainer.compile import compile_blocks, find_mark
from trainer.config import Config, Speed, parse_config
from trainer.family import Family
from trainer.flow import Batch, compute_loss, draw_noise
from trainer.kernels import same_sums, set_up
from trainer.lora import add_lora
from trainer.measure import Measure
from trainer.memory import GB, Asked, Fit, choose
from trainer.model import free
from trainer.optimizers import make_optimizer
from trainer.parts import Part, find_config
from trainer.quantise import bytes_per_weight
from trainer.report import silence
from trainer.speed import find_peak, measure_peak_memory
from trainer.weights import make_empty, stream_into

BASES = (("none", False), ("fp8", False), ("int8", False), ("nf4", False), ("fp8", True), ("int8", True))
WARM = 3  # steps before the first that counts
FORMAT = "{:>5} {:>5}  {:14} {:8} {:>12} {:>8} {:>8} {:>6} {:>8} {:>9}"
HEAD = ("px", "batch", "base", "compiled", "checkpointed", "s/it", "TFLOP/s", "MFU", "peak GB", "to bf16")


@dataclass(frozen=True)
class Case:
    """One row."""

    side: int  # px
    images: int
    kind: str
    matmul_8bit: bool
    is_compiled: bool

    @property
    def base(self) -> str:
        name = "as it is" if self.kind == "none" else self.kind
        return f"{name}, products" if self.matmul_8bit else name


class Random(Mapping[str, Tensor]):
    """Weights that nobody has learned, made where they are needed: a module's, by its names."""

    def __init__(self, module: Any, device: torch.device):
        self.shapes, self.device = {name: tensor.shape for name, tensor in module.state_dict().items()}, device

    def __getitem__(self, name: str) -> Tensor:
        return torch.empty(self.shapes[name], device=self.device).normal_(0, 0.02)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def print_table(folder: Path, is_tiny: bool, steps: int, compiles: bool) -> None:
    """Every case in its turn; one that does not fit says so."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    family = make_family(folder, device, is_tiny)
    silence()  # the table alone
    print(
        f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}, {family.base.dtype_name}, LoRA of rank 16"
    )
    print(FORMAT.format(*HEAD), flush=True)
    set_up(Speed(), device, family.base.dtype)
    for side in (64, 128) if is_tiny else (512, 1024):
        for images in (1, 2) if is_tiny else (1, 4):
            plain: float | None = None
            for kind, matmul_8bit in BASES if device.type == "cuda" else BASES[:4]:
                for is_compiled in (False, True) if compiles else (False,):
                    case = Case(side, images, kind, matmul_8bit, is_compiled)
                    seconds = print_row(family, case, steps, folder, plain)
                    plain = seconds if case.base == "as it is" and not is_compiled else plain


def make_family(folder: Path, device: torch.device, is_tiny: bool) -> Family:
    family = make_flux1(folder, device.type)
    if is_tiny:
        config = json.loads((mini.MODEL / "transformer" / "config.json").read_text())
        config |= {"joint_attention_dim": 4096, "pooled_projection_dim": 768}
        folder.joinpath("config.json").write_text(json.dumps(config))
    if device.type == "cpu":
        family.base = replace(family.base, dtype=torch.float32)
    return family


def print_row(family: Family, case: Case, steps: int, folder: Path, plain: float | None) -> float | None:
    """Seconds per step; none where the card cannot."""
    first = (case.side, case.images, case.base, "yes" if case.is_compiled else "no")
    try:
        seconds, work, fit, blocks = measure_case(family, case, steps, folder)
    except (torch.OutOfMemoryError, ValueError, NotImplementedError) as error:
        print(FORMAT.format(*first, str(error).split(".")[0][:60], *[""] * 5), flush=True)
        return None
    finally:
        torch._dynamo.reset()
        free(family.base.device)
    device, dtype = family.base.device, family.base.dtype
    peak = find_peak(device, dtype, fit, case.matmul_8bit)
    mfu = f"{100 * work / seconds / peak:.0f} %" if peak else "-"
    memory = f"{measure_peak_memory(device) / GB:.1f}"
    ratio = f"{seconds / plain:.2f}" if plain else "-"
    shown = (f"{fit.checkpointed} of {blocks}", f"{seconds:.3f}", f"{work / seconds / 1e12:.3g}", mfu, memory, ratio)
    print(FORMAT.format(*first, *shown), flush=True)
    return seconds


def measure_case(family: Family, case: Case, steps: int, folder: Path) -> tuple[float, float, Fit, int]:
    """Seconds and FLOPs of a step, how it was arranged, and the number of blocks."""
    device, settings = family.base.device, make_settings(case)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    measure, batch = Measure(family, settings.lora, 1), make_batch(case.side, case.side, case.images, device.type)
    fit = Fit(case.kind, 0, 1, 0)
    if device.type == "cuda":
        sizes = {kind: bytes_per_weight(kind) for kind in ("none", "int8", "fp8", "nf4")}
        asked = Asked(quantise=case.kind, pieces=1, swapped=0)
        fit = choose(find_demand(settings, measure, batch), find_free("auto", device), asked, sizes)
    model = make_random(family, case)
    weights = add_lora(model, family, settings.lora, 1)
    Arrangement(model, device, fit, case.images).apply()
    if case.is_compiled:
        compile_blocks(model, 1, find_mark(folder / "compiled"))
    step = make_step(family, model, batch, settings, make_optimizer(settings.train, weights.values()))
    for number in range(WARM):
        step(number)
    synchronise(device)
    began = time.perf_counter()
    for number in range(steps):
        step(number)
    synchronise(device)
    return (time.perf_counter() - began) / steps, measure.weigh(batch).flops, fit, len(find_blocks(model))


def make_settings(case: Case) -> Config:
    data = {"folder": "-", "resolution": case.side, "batch_size": case.images}
    return parse_config({"name": "full-size", "model": {"base": "random"}, "data": data})


def make_random(family: Family, case: Case) -> Any:
    part, recipe = family.base.parts["transformer"], family.recipes["transformer"]
    model = make_empty(lambda: recipe.build(find_config(Part(part.folder), recipe)))
    finish = make_finish(0, 0, case.kind, case.matmul_8bit)
    stream_into(model, Random(model, family.base.device), family.base.dtype, family.base.device, finish)
    return model


def make_step(family: Family, model: Any, batch: Batch, settings: Config, optimizer: Any) -> Callable[[int], None]:
    """Our step, without what a loop is around it."""
    learned = [weight for group in optimizer.param_groups for weight in group["params"]]
    latents = Batch(batch.latents.cpu(), {})

    def step(number: int) -> None:
        random = draw_noise(family, latents, settings.train, number).take(slice(None), family.base.device)
        with same_sums():
            compute_loss(family, model, batch, random, settings.train).backward()
        torch.nn.utils.clip_grad_norm_(learned, settings.train.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
