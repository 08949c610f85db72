"""Which settings of [train] have no effect beside the others, so that nobody waits for one. Imports no torch."""

from trainer.config import Train
from trainer.report import warn

_SIGMOIDS = ("shift", "flux_shift", "sigmoid")
_BETAS = ("adamw", "adamw8bit", "prodigy", "schedule_free", "lion")
USED_WITH = {  # the setting, and the choices with which it counts
    "shift": ("timesteps", ("shift", "flux_shift")),
    "sigmoid_scale": ("timesteps", _SIGMOIDS),
    "logit_mean": ("timesteps", ("logit_normal",)),
    "logit_std": ("timesteps", ("logit_normal",)),
    "huber_delta": ("loss", ("huber", "smooth_l1")),
    "huber_schedule": ("loss", ("huber", "smooth_l1")),
    "cycles": ("schedule", ("cosine_with_restarts",)),
    "beta1": ("optimizer", _BETAS),
    "beta2": ("optimizer", _BETAS),
    "eps": ("optimizer", _BETAS[:-1]),
}


def find_unused(settings: Train) -> list[str]:
    """One sentence for each setting that was given in vain."""
    found = []
    if settings.optimizer == "prodigy" and "learning_rate" in settings.model_fields_set and settings.learning_rate != 1:
        found.append(f"train.learning_rate: {settings.learning_rate} is ignored, prodigy finds it by itself")
    for name, (other, choices) in USED_WITH.items():
        value, chosen = getattr(settings, name), getattr(settings, other)
        if value != Train.model_fields[name].default and chosen not in choices:
            found.append(f"train.{name}: {value} is ignored with {other} {chosen}, it is for {' and '.join(choices)}")
    return found


def warn_of_unused(settings: Train) -> None:
    for sentence in find_unused(settings):
        warn(sentence)
