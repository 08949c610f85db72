"""Which images a step learns from: a pure function of (seed, epoch, position), so nothing is saved and nothing restored.

All images are gone through in an order newly shuffled each time around; each joins the open batch of its bucket, and a batch
is dealt when it is full. So a batch is of one size, and the repeats of an image are spread over the epoch. Imports no torch."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from trainer.buckets import Size
from trainer.config import Data


@dataclass(frozen=True)
class Entry:
    """One image at one size, as often as it is shown in an epoch."""

    bucket: Size
    repeats: int


@dataclass(frozen=True, eq=False)
class Sampler:
    """Deals the batches of an epoch. The last batch of each bucket is filled up from the same bucket."""

    entries: tuple[Entry, ...]
    regularisation: int  # number of regularisation images
    own_per_batch: int
    regularisation_per_batch: int
    seed: int
    _dealt: dict[int, list[list[int]]] = field(default_factory=dict, repr=False)  # of the epoch asked for last

    @cached_property
    def steps_per_epoch(self) -> int:
        return count_batches(self.entries, self.own_per_batch)

    def own(self, epoch: int, position: int) -> list[int]:
        """Numbers of the entries in a batch, all of one bucket."""
        if epoch not in self._dealt:
            self._dealt.clear()
            self._dealt[epoch] = self._deal(epoch)
        return self._dealt[epoch][position]

    def ordinary(self, epoch: int, position: int) -> list[int]:
        """Numbers of the regularisation images in a batch: all of them in turn, newly shuffled each time around."""
        start = (epoch * self.steps_per_epoch + position) * self.regularisation_per_batch
        numbers = range(start, start + self.regularisation_per_batch)
        turns = [divmod(number, self.regularisation) for number in numbers]
        return [shuffled(self.regularisation, ("regularisation", self.seed, turn))[place] for turn, place in turns]

    def _deal(self, epoch: int) -> list[list[int]]:
        dealt: list[list[int]] = []
        shown: dict[Size, list[int]] = {}  # by bucket, in the order of this epoch
        for number in self._order(epoch):
            bucket = shown.setdefault(self.entries[number].bucket, [])
            bucket.append(number)
            if len(bucket) % self.own_per_batch == 0:
                dealt.append(bucket[-self.own_per_batch :])
        for bucket in shown.values():
            if left := len(bucket) % self.own_per_batch:
                last = range(len(bucket) - left, len(bucket) - left + self.own_per_batch)
                dealt.append([bucket[place % len(bucket)] for place in last])
        return dealt

    def _order(self, epoch: int) -> Iterator[int]:
        """Each entry as often as it is to be shown; one with fewer repeats than others joins every so many rounds."""
        rounds = max(entry.repeats for entry in self.entries)
        phases = shuffled(rounds, ("phase", self.seed, epoch))
        for turn in range(rounds):
            joining = [
                number
                for number, entry in enumerate(self.entries)
                if _is_due(entry.repeats, rounds, turn + phases[number % rounds])
            ]
            for place in shuffled(len(joining), ("own", self.seed, epoch, turn)):
                yield joining[place]


def make_sampler(data: Data, entries: Sequence[Entry], regularisation: int, seed: int) -> Sampler:
    ordinary = data.regularisation_images
    return Sampler(tuple(entries), regularisation, data.batch_size - ordinary, ordinary, seed)


def count_batches(entries: Sequence[Entry], size: int) -> int:
    """How many batches of one bucket each an epoch has."""
    shown: dict[Size, int] = {}
    for entry in entries:
        shown[entry.bucket] = shown.get(entry.bucket, 0) + entry.repeats
    return sum(-(-count // size) for count in shown.values())


def _is_due(repeats: int, rounds: int, turn: int) -> bool:
    """Whether what is to come `repeats` times in any `rounds` turns, evenly spread, comes in this one."""
    return (turn + 1) * repeats // rounds > turn * repeats // rounds


@lru_cache(maxsize=1024)
def shuffled(count: int, key: tuple[object, ...]) -> tuple[int, ...]:
    """0 .. count-1 in an order that depends on the key alone."""
    order = list(range(count))
    random.Random(repr(key)).shuffle(order)
    return tuple(order)
