"""The learning rate of a step: a function of the step and of how many there are. Imports no torch.

Behind the warm-up the shapes are those of transformers' get_linear_schedule_with_warmup and its cosine siblings. The warm-up
is one step ahead of theirs: theirs begins with a step of learning rate 0, which is forward and backward for nothing."""

import math

from trainer.config import Config, Train


def base_rate(settings: Train) -> float:
    """The learning rate at full height. Prodigy finds its own, and multiplies it with this one."""
    return 1.0 if settings.optimizer == "prodigy" else settings.learning_rate


def schedule(settings: Train, step: int, total: int) -> float:
    """The learning rate of a step, counted from 0, of a training of `total` steps."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    return base_rate(settings) * warm * _fall(settings, step, total)


def comparable_rate(config: Config) -> float | None:
    """learning rate * alpha / rank: how far one step of learning moves the model, whatever the LoRA's rank and alpha.

    None for prodigy, which finds its learning rate as it goes."""
    if config.train.optimizer == "prodigy":
        return None
    return config.train.learning_rate * config.lora.alpha / config.lora.rank


def _fall(settings: Train, step: int, total: int) -> float:
    """1 at the end of the warm-up, 0 after the last step."""
    if settings.schedule == "constant":
        return min(1.0, (total - step) / (total * settings.decay)) if settings.decay else 1.0
    done = max(0.0, (step - settings.warmup_steps) / max(1, total - settings.warmup_steps))  # 0..1
    if settings.schedule == "linear":
        return 1 - done
    cycles = settings.cycles if settings.schedule == "cosine_with_restarts" else 1
    return 0.5 * (1 + math.cos(math.pi * (cycles * done % 1)))
