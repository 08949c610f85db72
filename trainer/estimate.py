"""What a training will need, told before it begins: `python -m trainer estimate outputs/<name>/config.toml`.

Counted on a twin without numbers (trace.py), so no weights are read and no GPU is touched: of the base model no more has to be
known than how it is built. Prints one object in JSON; bytes and FLOPs."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer import report
from trainer.anatomy import read_json
from trainer.arrange import USABLE, find_demand, read_asked
from trainer.buckets import UNIT, Size
from trainer.config import Config, load_config
from trainer.families import FAMILIES, TITLES, find_transformer
from trainer.family import Family
from trainer.flops import count_model_flops
from trainer.measure import Measure
from trainer.memory import GB, Demand, Fit, choose, describe, estimate
from trainer.model import DTYPES, Base, ModelError, choose_device
from trainer.parts import Part, find_config
from trainer.quantise import bytes_per_weight
from trainer.start import FINISHED, WRONG

VERSION = 1
PRESETS = ("24", "16", "12", "8")  # GB
CPU, CUDA = "cpu", "cuda"


def find_needs(config: Config, family: Family, size: Size, free: float | None) -> dict[str, Any]:
    """`size`: of the largest image in px, as it is learned. `free`: bytes of the GPU; None: not known, or there is none."""
    measure = Measure(family, config.lora, processes=1)
    batch = family.sketch(size, measure.twin.model)
    demand, trace = find_demand(config, measure, batch), measure.trace(batch)
    numbers = DTYPES[config.save.dtype].itemsize
    return {
        "version": VERSION,
        "family": family.title,
        "size": list(size),
        "tokens": demand.tokens,
        "lora_weights": demand.lora,
        "lora_bytes": demand.lora * numbers,
        "state_bytes": round(demand.lora * 4 * (demand.copies - 1)),  # weights and moments; gradients are not kept
        "step_flops": count_model_flops(trace) * config.data.batch_size,
        "device": CPU if is_on_cpu(family) else CUDA,
        "chosen": _choose(config, demand, family, free),
        "presets": {}
        if is_on_cpu(family)
        else {preset: _fit_into(config, demand, int(preset) * GB * USABLE) for preset in PRESETS},
    }


def is_on_cpu(family: Family) -> bool:
    return bool(family.base.device.type == CPU)


def _choose(config: Config, demand: Demand, family: Family, free: float | None) -> dict[str, Any] | None:
    """The way in which it will be arranged; None where that is chosen by a memory that is not known."""
    asked, preset = read_asked(config, {}), config.memory.preset
    if is_on_cpu(family) or preset == "off":
        fit = Fit(asked.quantise or "none", min(asked.checkpointed or 0, demand.blocks), asked.pieces or 1, asked.swapped or 0)
        return _tell(demand, fit)
    if preset == "auto" and free is None:
        return None
    return _fit_into(config, demand, free if preset == "auto" and free is not None else int(preset) * GB * USABLE)


def _fit_into(config: Config, demand: Demand, room: float) -> dict[str, Any]:
    return _tell(demand, choose(demand, room, read_asked(config, {}), _sizes(demand))) | {"room": round(room)}


def _tell(demand: Demand, fit: Fit) -> dict[str, Any]:
    need = estimate(demand, fit, _sizes(demand)[fit.quantise])
    parts = {name: round(value) for name, value in asdict(need).items()}
    return {**asdict(fit), "bytes": round(need.total), "parts": parts, "words": describe(fit, demand.blocks)}


def _sizes(demand: Demand) -> dict[str, float]:
    return {kind: bytes_per_weight(kind) for kind in ("int8", "fp8", "nf4")} | {"none": float(demand.width)}


# ---- the base model ------------------------------------------------------------------------------------------------------
def find_family(config: Config, device: torch.device, built_as: Path | None = None) -> Family:
    """The base, of which the transformer alone is looked for. `built_as`: a folder whose config.json says how it is built, with
    its family's name in "family": of a base that is not here. Raises ModelError."""
    if built_as:
        said = read_json(built_as / "config.json")
        kind = next((family for family in FAMILIES if family.title == said.get("family")), None)
        part = Part(built_as)
    else:
        kind, part = find_transformer(config.model)
    if kind is None:
        raise ModelError(config.model.base, [f"got the family {said.get('family')!r}, expected {TITLES}"])
    guided = kind.is_guided(find_config(part, kind.recipes["transformer"]))
    length = config.model.max_sequence_length or kind.text_length(guided)
    return kind(Base(config.model.base, {"transformer": part}, device, _dtype(config, device), length, guided))


def _dtype(config: Config, device: torch.device) -> torch.dtype:
    """As choose_dtype finds it on the device itself, which is not touched here; bf16 on any GPU."""
    said = config.model.dtype
    return DTYPES[said] if said != "auto" else torch.bfloat16 if device.type == CUDA else torch.float32


# ---- the command ---------------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str]) -> int:
    """What is wrong is told in a line without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m trainer estimate", description="Tells what a training will need.")
    parser.add_argument("config", type=Path, help="its config.toml")
    parser.add_argument(
        "--size", type=_read_size, metavar="WxH", help="largest image, px; a square of the resolution if not given"
    )
    parser.add_argument("--device", choices=(CPU, CUDA), help="where it will train; here if not given")
    parser.add_argument("--free", type=float, metavar="BYTES", help="of the GPU")
    parser.add_argument(
        "--built-as", metavar="JSON", help='how a base is built that is not here: {"family": ..., "guidance_embeds": ...}'
    )
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        device = torch.device(options.device or choose_device(config.model).type)
        side = max(config.data.resolutions)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) if options.built_as else None
            if folder:
                (folder / "config.json").write_text(options.built_as, encoding="utf-8")
            needs = find_needs(config, find_family(config, device, folder), options.size or (side, side), options.free)
    except ValueError as error:
        report.error(str(error))
        return WRONG
    print(json.dumps(needs))
    return FINISHED


def _read_size(said: str) -> Size:
    width, _, height = said.partition("x")
    size = int(width), int(height)
    if min(size) < UNIT or any(side % UNIT for side in size):
        raise argparse.ArgumentTypeError(f"got {said}, expected WIDTHxHEIGHT in px, multiples of {UNIT}")
    return size
