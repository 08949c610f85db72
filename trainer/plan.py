"""How many steps a training takes: arithmetic on settings and the shapes of the images. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.buckets import Shape, find_sizes
from trainer.config import Config, Data
from trainer.sampler import Entry, count_batches


@dataclass(frozen=True)
class Plan:
    """What a training will do."""

    train_images: int  # images learned from
    validation_images: int  # images held out
    steps_per_epoch: int
    total_steps: int
    sample_rounds: int  # how often all prompts are sampled, before the first step included
    lora_files: int  # files with an epoch in their name, the final one not counted


def make_plan(config: Config, shapes: Sequence[Shape]) -> Plan:
    """The plan for a data set, its images in order of content: the first are held out.

    In another order it may be off by the few steps by which buckets differ. Raises ValueError when no image is left to learn
    from, or one is too small."""
    held_out, images = config.data.validation_images, len(shapes)
    if images - held_out < 1:
        raise ValueError(f"got {images} images with {held_out} held out for validation, expected at least one to learn from")
    entries = [entry for shape in shapes[held_out:] for entry in list_entries(config.data, shape)]
    steps_per_epoch = count_batches(entries, config.data.batch_size - config.data.regularisation_images)
    total = steps_per_epoch * config.train.epochs
    by_epoch = _marks(config.train.epochs * steps_per_epoch, config.sample.every_epochs * steps_per_epoch)
    draws = bool(config.sample.prompts or config.sample.prompts_file)
    rounds = 1 + len(by_epoch | _marks(total, config.sample.every_steps)) if draws else 0
    files = config.train.epochs // config.save.every_epochs if config.save.every_epochs else 0
    return Plan(images - held_out, held_out, steps_per_epoch, total, rounds, files)


def list_entries(data: Data, shape: Shape) -> list[Entry]:
    """One image at each size at which it is learned. Raises ValueError when it is too small for any."""
    sizes = find_sizes(shape.size, shape.resolutions or data.resolutions, is_square=not data.buckets)
    return [Entry(size, data.repeats if shape.repeats is None else shape.repeats) for size in sizes]


def is_due(count: int, every: int) -> bool:
    """Whether something that is done every so often is done at this count; every 0: never."""
    return bool(every) and count % every == 0


def _marks(total: int, every: int) -> set[int]:
    return set(range(every, total + 1, every)) if every else set()
