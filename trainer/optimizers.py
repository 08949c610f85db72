"""Optimizers by name, over the weights of the LoRA alone, and their state as plain tensors and numbers.

Weights, gradients and moments are fp32 whatever the base is in; adamw8bit alone keeps its moments in 8 bits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainer.config import Train
from trainer.lion import Lion
from trainer.prodigy import Prodigy
from trainer.schedules import base_rate

NOT_KEPT = ("params", "lr")  # of a group: the learning rate is set before each step, by the schedule
Number = float | bool | list[Any] | None


def make_optimizer(settings: Train, weights: Iterable[Tensor]) -> Optimizer:
    """The optimizer of the settings, ready for its first step."""
    return _MAKERS[settings.optimizer](settings, list(weights))


def told_rate(optimizer: Optimizer) -> float:
    """The learning rate of the last step as the log tells it; of prodigy what it has found, times the schedule's factor."""
    rate = float(optimizer.param_groups[0]["lr"])
    return rate * optimizer.tell() if isinstance(optimizer, Prodigy) else rate


# ---- by name ---------------------------------------------------------------------------------------------------------
def _make_adamw(settings: Train, weights: list[Tensor]) -> Optimizer:
    """Its arithmetic in one pass over memory."""
    return torch.optim.AdamW(weights, **_adam_options(settings), fused=True)


def _make_adamw8bit(settings: Train, weights: list[Tensor]) -> Optimizer:
    """Raises ValueError where bitsandbytes does not work, which it says only in its first step; so one is taken here."""
    try:
        from trainer.adamw8bit import AdamW8bit

        probe = torch.nn.Parameter(torch.zeros(8, 1024, device=weights[0].device))
        probe.grad = torch.ones_like(probe)
        AdamW8bit([probe]).step()
    except (ImportError, OSError, RuntimeError, AttributeError, NotImplementedError) as error:
        problem = f"got adamw8bit, but bitsandbytes does not work here: {error}"
        raise ValueError(f"train.optimizer: {problem}; expected one that does without it, such as adamw") from error
    return AdamW8bit(weights, **_adam_options(settings))


def _make_lion(settings: Train, weights: list[Tensor]) -> Optimizer:
    return Lion(weights, base_rate(settings), (settings.beta1, settings.beta2), settings.weight_decay)


def _make_adafactor(settings: Train, weights: list[Tensor]) -> Optimizer:
    """Shazeer and Stern 2018 (arXiv 1804.04235), with the learning rate that is set.

    Not torch's, whose steps are relative to the size of a weight: the LoRA's B, which begins at 0, would stay there."""
    from transformers.optimization import Adafactor

    return Adafactor(
        weights,
        lr=base_rate(settings),
        weight_decay=settings.weight_decay,
        relative_step=False,
        scale_parameter=False,
        warmup_init=False,
    )


def _make_prodigy(settings: Train, weights: list[Tensor]) -> Optimizer:
    return Prodigy(weights, **_adam_options(settings))


def _make_schedule_free(settings: Train, weights: list[Tensor]) -> Optimizer:
    """Defazio et al. 2024 (arXiv 2405.15682). The weights are its y, at which gradients are taken; see find_average."""
    from schedulefree import AdamWScheduleFree

    optimizer = AdamWScheduleFree(weights, **_adam_options(settings))
    optimizer.train()  # and never eval(): there and back again rounds, and a saved state would differ from one not saved
    return optimizer


_MAKERS = {
    "adamw": _make_adamw,
    "adamw8bit": _make_adamw8bit,
    "adafactor": _make_adafactor,
    "prodigy": _make_prodigy,
    "schedule_free": _make_schedule_free,
    "lion": _make_lion,
}


def _adam_options(settings: Train) -> dict[str, Any]:
    betas = settings.beta1, settings.beta2
    return {"lr": base_rate(settings), "betas": betas, "eps": settings.eps, "weight_decay": settings.weight_decay}


def find_average(optimizer: Optimizer, weights: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """schedule_free's average x by the names of the weights, newly computed; None for all other optimizers.

    y = beta x + (1 - beta) z, in its paper's letters: y the weights, z what the optimizer keeps."""
    if "train_mode" not in optimizer.param_groups[0]:
        return None
    beta, state = optimizer.param_groups[0]["betas"][0], optimizer.state
    with torch.no_grad():
        return {
            name: weight.lerp(state[weight]["z"], 1 - 1 / beta) if "z" in state.get(weight, {}) else weight.clone()
            for name, weight in weights.items()
        }


# ---- what a state keeps of it ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Kept:
    """What an optimizer remembers: tensors for a .safetensors, the rest for a .json."""

    tensors: dict[str, Tensor] = field(default_factory=dict)  # "<weight>.<key>", or "<weight>.<key>.<key>"
    numbers: dict[str, Number] = field(default_factory=dict)  # likewise
    groups: list[dict[str, Number]] = field(default_factory=list)  # of each group what has changed since it was made


def keep(optimizer: Optimizer, weights: dict[str, Tensor]) -> Kept:
    """Everything but the settings, copied to the CPU."""
    kept, said = Kept(), optimizer.state_dict()
    for number, name in enumerate(weights):
        for key, value in _flatten(said["state"].get(number, {}), name):
            if isinstance(value, Tensor):
                kept.tensors[key] = value.detach().to("cpu", copy=True).contiguous()
            else:
                kept.numbers[key] = value
    for group in optimizer.param_groups:
        moved = {key: value for key, value in group.items() if key not in NOT_KEPT}
        kept.groups.append({key: value for key, value in moved.items() if value != optimizer.defaults.get(key, ...)})
    return kept


def put_back(optimizer: Optimizer, weights: dict[str, Tensor], kept: Kept) -> None:
    """Makes a new optimizer of the same settings remember what another has kept."""
    state: dict[int, dict[str, Any]] = {}
    places = {name: number for number, name in enumerate(weights)}
    for key, value in [*kept.tensors.items(), *kept.numbers.items()]:
        name = next(start for start in _starts(key) if start in places)
        *path, last = key[len(name) + 1 :].split(".")
        place = state.setdefault(places[name], {})
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    groups = optimizer.state_dict()["param_groups"]
    for group, moved in zip(groups, kept.groups, strict=False):  # a state of version 1 has none
        group.update(moved)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _flatten(values: dict[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    """bitsandbytes keeps its tensors one level deeper than all others."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.{key}")
        else:
            yield f"{name}.{key}", value


def _starts(key: str) -> Iterable[str]:
    """'a.b' and 'a' for 'a.b.c': what may be the name of the weight."""
    while "." in key:
        key = key.rpartition(".")[0]
        yield key
