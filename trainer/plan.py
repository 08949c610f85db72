"""How many steps a training takes: arithmetic on settings and the number of images. Imports no torch."""

import math
from dataclasses import dataclass

from trainer.config import Config


@dataclass(frozen=True)
class Plan:
    """What a training will do."""

    train_images: int  # images learned from
    validation_images: int  # images held out
    steps_per_epoch: int
    total_steps: int
    sample_rounds: int  # how often all prompts are sampled, before the first step included
    lora_files: int  # files with an epoch in their name, the final one not counted


def make_plan(config: Config, images: int) -> Plan:
    """The plan for a data set of `images` images. Raises ValueError when none is left to learn from."""
    held_out = config.data.validation_images
    if images - held_out < 1:
        raise ValueError(f"got {images} images with {held_out} held out for validation, expected at least one to learn from")
    own_per_batch = config.data.batch_size - config.data.regularisation_images
    steps_per_epoch = math.ceil((images - held_out) * config.data.repeats / own_per_batch)
    total = steps_per_epoch * config.train.epochs
    by_epoch = _marks(config.train.epochs * steps_per_epoch, config.sample.every_epochs * steps_per_epoch)
    rounds = 1 + len(by_epoch | _marks(total, config.sample.every_steps)) if config.sample.prompts else 0
    files = config.train.epochs // config.save.every_epochs if config.save.every_epochs else 0
    return Plan(images - held_out, held_out, steps_per_epoch, total, rounds, files)


def is_due(count: int, every: int) -> bool:
    """Whether something that is done every so often is done at this count; every 0: never."""
    return bool(every) and count % every == 0


def _marks(total: int, every: int) -> set[int]:
    return set(range(every, total + 1, every)) if every else set()
