"""From images to batches: tensors, the held-out images, and which images a step learns from.

Which images a step sees is a pure function of (seed, epoch, position): nothing to save, nothing to restore."""

import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.config import Data
from trainer.dataset import DAMAGED, DatasetError, Item, crop_square, open_image
from trainer.family import TOKENS, Tensors
from trainer.flow import Batch


def load_image(path: Path, resolution: int) -> Tensor:
    """(3, resolution, resolution) in -1..1: the largest square from the middle of the image.

    Raises DatasetError with the image's name: what was whole when the data set was read may have been changed since."""
    try:
        pixels = np.asarray(crop_square(open_image(path), resolution), dtype=np.float32)
    except DAMAGED as error:
        problem = f"{path.name}: got an image that cannot be decoded, expected a whole one ({error})"
        raise DatasetError(str(path.parent), [problem]) from error
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1


@dataclass(frozen=True)
class Material:
    """Everything that is learned from, computed once and held in memory."""

    latents: dict[str, Tensor]  # (C, H, W) by the digest of the image
    texts: dict[str, Tensors]  # the conditions of each caption

    def make_batch(self, items: list[Item]) -> Batch:
        """The latents and captions of some images; each caption is looked up by what it says."""
        texts = [self.texts[item.caption] for item in items]
        conditions = {name: torch.stack([text[name] for text in texts]) for name in texts[0] if name != TOKENS}
        return Batch(torch.stack([self.latents[item.image_digest] for item in items]), conditions)


def split_validation(items: list[Item], count: int) -> tuple[list[Item], list[Item]]:
    """(images to learn from, held out): chosen by content, so that no new name, order or seed moves an image across."""
    ordered = sorted(items, key=lambda item: item.digest)
    return ordered[count:], ordered[:count]


@dataclass(frozen=True)
class Sampler:
    """Says which images are in a batch. Each of one's own is seen `repeats` times an epoch; the last batch is filled up."""

    images: int
    regularisation: int  # number of regularisation images
    own_per_batch: int
    regularisation_per_batch: int
    repeats: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.images * self.repeats // self.own_per_batch)

    def own(self, epoch: int, position: int) -> list[int]:
        """Numbers of one's own images in a batch."""
        order = [index for repeat in range(self.repeats) for index in shuffled(self.images, ("own", self.seed, epoch, repeat))]
        start = position * self.own_per_batch
        return [order[number % len(order)] for number in range(start, start + self.own_per_batch)]

    def ordinary(self, epoch: int, position: int) -> list[int]:
        """Numbers of the regularisation images in a batch: all of them in turn, newly shuffled each time around."""
        start = (epoch * self.steps_per_epoch + position) * self.regularisation_per_batch
        numbers = range(start, start + self.regularisation_per_batch)
        turns = [divmod(number, self.regularisation) for number in numbers]
        return [shuffled(self.regularisation, ("regularisation", self.seed, turn))[place] for turn, place in turns]


def make_sampler(data: Data, images: int, regularisation: int, seed: int) -> Sampler:
    ordinary = data.regularisation_images
    return Sampler(images, regularisation, data.batch_size - ordinary, ordinary, data.repeats, seed)


@lru_cache(maxsize=1024)
def shuffled(count: int, key: tuple[object, ...]) -> tuple[int, ...]:
    """0 .. count-1 in an order that depends on the key alone."""
    order = list(range(count))
    random.Random(repr(key)).shuffle(order)
    return tuple(order)
