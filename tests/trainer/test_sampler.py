"""A sampler without a memory: each image as often as asked, batches of one bucket, the same whenever it is asked."""

from collections import Counter
from itertools import pairwise

import pytest

from trainer.sampler import Entry, Sampler, count_batches, shuffled

SQUARE, WIDE = (64, 64), (80, 48)


def make(images, own, repeats, seed=3, regularisation=0, regularisation_per_batch=0):
    """A sampler of one bucket."""
    return Sampler((Entry(SQUARE, repeats),) * images, regularisation, own, regularisation_per_batch, seed)


MIXED = (*(Entry(WIDE, 2),) * 5, *(Entry((48, 80), 2),) * 3, Entry(WIDE, 7), Entry((16, 16), 1))


def deal(sampler, epoch):
    return [sampler.own(epoch, position) for position in range(sampler.steps_per_epoch)]


@pytest.mark.parametrize(("images", "own", "repeats"), [(10, 3, 9), (10, 3, 1), (1, 4, 1), (7, 7, 2), (5, 2, 3)])
def test_each_image_is_seen_as_often_as_asked(images, own, repeats):
    sampler = make(images, own, repeats)
    seen = [number for batch in deal(sampler, 1) for number in batch]
    assert all(len(batch) == own for batch in deal(sampler, 1))
    assert Counter(seen[: images * repeats]) == dict.fromkeys(range(images), repeats)
    assert len(seen) - images * repeats < own, "only the last batch is filled up"


def test_one_bucket_is_dealt_in_the_order_of_the_shuffles():
    """As it always was: trainings of square images go on as they began."""
    order = [number for turn in range(3) for number in shuffled(7, ("own", 42, 5, turn))]
    order += order[:3]
    assert deal(make(7, 4, 3, seed=42), 5) == [order[start : start + 4] for start in range(0, 24, 4)]


@pytest.mark.parametrize("own", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_batches_of_one_bucket_and_as_many_as_counted(own, epoch):
    sampler = Sampler(MIXED, 0, own, 0, seed=3)
    batches = sampler._deal(epoch)
    assert len(batches) == sampler.steps_per_epoch == count_batches(MIXED, own)
    assert all(len({MIXED[number].bucket for number in batch}) == 1 and len(batch) == own for batch in batches)
    seen = Counter(number for batch in batches for number in batch)
    assert all(seen[number] >= entry.repeats for number, entry in enumerate(MIXED))
    assert sum(seen.values()) - sum(entry.repeats for entry in MIXED) < 3 * own, "one batch of each bucket is filled up"


@pytest.mark.parametrize("epoch", range(4))
def test_repeats_of_its_own_are_spread_over_the_epoch(epoch):
    entries = (*(Entry(SQUARE, 12),) * 4, *(Entry(SQUARE, 3),) * 4)
    seen = [number for batch in deal(Sampler(entries, 0, 1, 0, seed=1), epoch) for number in batch]
    assert Counter(seen) == {number: entry.repeats for number, entry in enumerate(entries)}
    for number in range(4, 8):
        places = [place for place, shown in enumerate(seen) if shown == number]
        assert all(later - earlier > 7 for earlier, later in pairwise(places))


def test_regularisation_images_all_have_their_turn_across_epochs():
    sampler = make(4, 2, 2, regularisation=10, regularisation_per_batch=3)  # 4 steps an epoch, 12 regularisation images
    seen = [number for epoch in range(5) for position in range(4) for number in sampler.ordinary(epoch, position)]
    for turn in range(6):
        assert sorted(seen[turn * 10 : (turn + 1) * 10]) == list(range(10))
    assert sampler.ordinary(3, 1) == seen[(3 * 4 + 1) * 3 :][:3]


@pytest.mark.parametrize("entries", [(Entry(SQUARE, 1),) * 20, MIXED], ids=["one", "mixed"])
def test_no_memory_and_no_repetition(entries):
    sampler, fresh = (Sampler(entries, 0, 2, 0, seed=3) for _ in range(2))
    orders = {epoch: deal(sampler, epoch) for epoch in range(3)}
    shuffled.cache_clear()
    assert fresh.own(2, 3) == orders[2][3], "the same without what came before"
    assert sampler.own(0, 1) == orders[0][1] and sampler.own(2, 1) == orders[2][1], "in any order"
    assert orders[0] != orders[1] != orders[2]
    assert deal(Sampler(entries, 0, 2, 0, seed=4), 0) != orders[0]


def test_an_order_is_the_same_on_every_machine():
    assert shuffled(8, ("own", 42, 0, 0)) == (7, 5, 0, 1, 3, 4, 6, 2)
