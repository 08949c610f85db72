"""The transformer with its LoRA, ready for its first step: in bits that fit, arranged in memory, perhaps compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from torch import Tensor

from trainer.arrange import Arrangement, choose_fit, load_transformer, read_asked
from trainer.compile import compile_blocks, find_cache, find_mark
from trainer.config import Config
from trainer.data import Material
from trainer.family import Family
from trainer.feed import View
from trainer.lora import add_lora
from trainer.measure import Measure
from trainer.speed import Compilation, choose_compile
from trainer.trace import find_lists


@dataclass(frozen=True)
class Around:
    """What is known about a training besides its settings."""

    steps: int
    processes: int
    outputs: Path  # the folder of all runs
    then: Mapping[str, Any]  # settings of the state that is resumed from; empty without one


@dataclass(frozen=True)
class Engine:
    """What a step is made with. `settings`: what "auto" became, which a resume keeps."""

    model: Any
    weights: dict[str, Tensor]
    measure: Measure
    arrangement: Arrangement
    settings: dict[str, Any]


def resolve(config: Config, then: Mapping[str, Any]) -> dict[str, Any]:
    """What "auto" is as far as the settings and a state tell; what nobody has said yet is chosen in `build_engine`."""
    compiles = config.speed.compile
    chosen = bool(then.get("speed.compile")) if compiles == "auto" else compiles
    return {"model.quantise": read_asked(config, then).quantise or "none", "speed.compile": chosen}


def build_engine(config: Config, family: Family, views: list[View], material: Material, around: Around) -> Engine:
    """`views` are all that the training is shown. Raises ModelError."""
    largest = material.make_batch([max(views, key=lambda view: view.size[0] * view.size[1])])
    measure = Measure(family, config.lora, around.processes)
    (fit,) = broadcast_object_list([choose_fit(config, family, measure, largest, read_asked(config, around.then))])
    model = load_transformer(family, measure, fit, config.model.matmul_8bit)
    weights = add_lora(model, family, config.lora, config.train.seed)
    images = -(-config.data.batch_size // around.processes)
    arrangement = Arrangement(model, family.base.device, fit, images, config.memory.preset != "off")
    arrangement.apply()
    kinds, shapes = len(find_lists(model)), len({view.size for view in views})
    cache, about = find_cache(around.outputs), (family.title, family.base.dtype_name, fit.quantise, config.lora, shapes)
    plan = Compilation(fit, kinds, shapes, around.steps, find_mark(cache, *about), around.then.get("speed.compile"))
    (is_compiled,) = broadcast_object_list([choose_compile(config, family, measure, largest, plan)])
    if is_compiled:
        compile_blocks(model, shapes, plan.mark)
    return Engine(model, weights, measure, arrangement, {"model.quantise": fit.quantise, "speed.compile": is_compiled})
