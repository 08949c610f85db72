"""What a step is shown: images, each at a size, with a caption, perhaps mirrored. A pure function of (seed, epoch, position).

Nothing random is remembered: which images are in a batch is the sampler's, and what is drawn for each of its rows comes from a
generator keyed by (seed, epoch, position, row). So it is known beforehand what will be needed, and a resume needs no state."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainer.buckets import Size, find_crop
from trainer.config import Data
from trainer.dataset import Item, Manner, manner_of
from trainer.plan import list_entries
from trainer.sampler import make_sampler, shuffled

ORDERS = 8  # at most, in which a caption with shuffled tags is shown; each is encoded once
ENCODED = 2000  # captions in all orders, where there are many images: what is encoded takes megabytes each
NO_CAPTION = ""


@dataclass(frozen=True)
class View:
    """One row of a batch."""

    item: Item
    size: Size
    caption: str
    flipped: bool = False
    weight: float = 1.0


class Feed:
    """All that the steps of a training are shown."""

    def __init__(self, data: Data, own: list[Item], ordinary: list[Item], seed: int):
        entries = [(item, entry) for item in own for entry in list_entries(data, item.shape)]
        self.shown: list[tuple[Item, Size]] = [(item, entry.bucket) for item, entry in entries]
        self.sampler = make_sampler(data, [entry for _, entry in entries], len(ordinary), seed)
        self.data, self.own, self.ordinary, self.seed = data, own, ordinary, seed
        self.orders = max(2, min(ORDERS, ENCODED // len({item.caption for item in own})))

    def list_views(self, epoch: int, position: int) -> list[View]:
        """The batch of a step, one's own images first; regularisation images at the size of those."""
        numbers = self.sampler.own(epoch, position)
        own = [self._draw(number, (epoch, position, row)) for row, number in enumerate(numbers)]
        return own + [self._show(number, own[0].size) for number in self.sampler.ordinary(epoch, position)]

    def list_all(self, epochs: int) -> Iterator[View]:
        """Every view that can come in so many epochs, weights apart, each at least once."""
        for item, size in self.shown:
            for flipped in (False, True) if item.manner.flip else (False,):
                for caption in self.list_captions(item):
                    yield View(item, size, caption, flipped)
        yield from self._list_ordinary(epochs)

    def describe(self) -> dict[str, Any]:
        """What the numbers of a training depend on and the settings do not say; nothing for square images in a plain folder.

        States from before there were buckets know nothing of sizes: they go on where all images are squares as they were."""
        found: dict[str, Any] = {}
        sizes = [f"{width}x{height}" for _, (width, height) in self.shown]
        if sizes != [f"{side}x{side}" for _ in self.own for side in self.data.resolutions]:
            found["sizes of the images (data.resolution, data.buckets)"] = sizes
        if any(item.shape.repeats is not None for item in self.own):
            found["repeats of the images"] = [item.shape.repeats for item in self.own]
        if any(item.manner != manner_of(self.data) for item in self.own):
            found["manner of the images"] = [repr(item.manner) for item in self.own]
        return found

    def list_captions(self, item: Item) -> list[str]:
        """Every caption that an image is shown with."""
        return list_orders(item.caption, item.manner, self.orders) + ([NO_CAPTION] if item.manner.caption_dropout else [])

    def list_crops(self) -> list[tuple[str, float]]:
        """How much of each of one's own images is cut off, at the size at which it is most, by name."""
        crops: dict[Item, float] = {}
        for item, size in self.shown:
            crops[item] = max(crops.get(item, 0.0), find_crop(item.shape.size, size))
        return [(item.path.name, share) for item, share in crops.items()]

    def _draw(self, number: int, key: tuple[int, int, int]) -> View:
        item, size = self.shown[number]
        manner, rng = item.manner, random.Random(repr(("view", self.seed, *key)))
        dropped, flipped = rng.random() < manner.caption_dropout, rng.random() < 0.5
        captions = list_orders(item.caption, manner, self.orders)
        caption = NO_CAPTION if dropped else captions[rng.randrange(len(captions))]
        return View(item, size, caption, flipped and manner.flip)

    def _show(self, number: int, size: Size) -> View:
        item = self.ordinary[number]
        return View(item, size, item.caption, weight=self.data.regularisation_weight)

    def _list_ordinary(self, epochs: int) -> Iterator[View]:
        """Which regularisation image meets which size is known from the sampler: no other pair is encoded."""
        sizes, met = {size for _, size in self.shown}, set()
        for epoch in range(epochs if self.sampler.regularisation_per_batch else 0):
            for position in range(self.sampler.steps_per_epoch):
                _, size = self.shown[self.sampler.own(epoch, position)[0]]
                met |= {(number, size) for number in self.sampler.ordinary(epoch, position)}
            if len(met) == len(sizes) * len(self.ordinary):
                break
        for number, size in sorted(met):
            yield self._show(number, size)


def show_held_out(data: Data, item: Item) -> View:
    """How an image is shown that is not learned from: as it is, at its largest size."""
    size: Size = list_entries(data, item.shape)[-1].bucket
    return View(item, size, item.caption)


def list_orders(caption: str, manner: Manner, most: int) -> list[str]:
    """The orders in which the tags of a caption are shown, its own first: as many as are encoded, no two alike."""
    if not manner.shuffle_tags:
        return [caption]
    tags = [tag.strip() for tag in caption.split(",") if tag.strip()]
    first, rest = tags[: manner.keep_tags], tags[manner.keep_tags :]
    found = [caption]
    for number in range(1, most):
        order = shuffled(len(rest), ("tags", caption, number))
        found.append(", ".join([*first, *(rest[place] for place in order)]))
    return list(dict.fromkeys(found))
