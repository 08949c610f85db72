"""What a step is shown: a pure function of (seed, epoch, position), and known beforehand."""

from collections import Counter
from pathlib import Path

import pytest

from trainer.buckets import Shape
from trainer.config import parse_config
from trainer.dataset import Item, manner_of
from trainer.feed import NO_CAPTION, ORDERS, Feed, View, list_orders, show_held_out

SIZES = ((96, 96), (200, 100), (100, 210), (300, 300), (96, 96), (120, 120))


@pytest.fixture
def make(small):
    """make(**data): a feed of six images of several shapes and four regularisation images."""

    def build(seed=3, ordinary=4, **data):
        values = small["data"] | {"validation_images": 0, "repeats": 5} | data
        settings = parse_config({**small, "data": values}).data
        manner = manner_of(settings)
        own = [
            Item(Path(f"{number}.png"), f"sks, red {number}, blue, green", f"own {number}", Shape(size), manner)
            for number, size in enumerate(SIZES)
        ]
        others = [Item(Path(f"r{number}.png"), f"r {number}", f"r {number}", Shape((96, 96))) for number in range(ordinary)]
        return Feed(settings, own, others, seed)

    return build


def all_views(feed, epochs):
    return [
        view
        for epoch in range(epochs)
        for position in range(feed.sampler.steps_per_epoch)
        for view in feed.list_views(epoch, position)
    ]


FULL = {"flip": True, "caption_dropout": 0.3, "shuffle_tags": True, "keep_tags": 1, "resolution": [64, 96]}


@pytest.mark.parametrize("data", [{}, FULL, {"buckets": False}, {"regularisation_images": 0}])
def test_a_batch_is_of_one_size_and_was_made_ready(make, data):
    feed = make(**data)
    ready = {(view.item, view.size, view.caption, view.flipped) for view in feed.list_all(2)}
    for epoch in range(2):
        for position in range(feed.sampler.steps_per_epoch):
            views = feed.list_views(epoch, position)
            assert len(views) == 4 and len({view.size for view in views}) == 1
            assert {(view.item, view.size, view.caption, view.flipped) for view in views} <= ready
            assert [view.item in feed.ordinary for view in views] == [False] * (4 - feed.data.regularisation_images) + [
                True
            ] * feed.data.regularisation_images


def test_no_more_is_made_ready_than_comes(make):
    feed = make(ordinary=100)
    shown = {(view.item, view.size) for view in all_views(feed, 1)}
    assert {(view.item, view.size) for view in feed.list_all(1)} == shown


def test_the_same_without_what_came_before(make):
    feed, fresh, other = make(**FULL), make(**FULL), make(**FULL, seed=4)
    views = {epoch: [feed.list_views(epoch, position) for position in range(6)] for epoch in range(3)}
    assert fresh.list_views(2, 4) == views[2][4] and feed.list_views(0, 1) == views[0][1]
    assert views[0] != views[1] != views[2] and [other.list_views(0, position) for position in range(6)] != views[0]


def test_plain_settings_show_images_as_they_are(make):
    feed = make(regularisation_images=0)
    assert all(view == View(view.item, view.size, view.item.caption) for view in all_views(feed, 2))


def test_half_are_mirrored_and_as_many_captions_left_out_as_asked(make):
    feed = make(**FULL)
    own = [view for view in all_views(feed, 40) if view.item in feed.own]
    assert sum(view.flipped for view in own) / len(own) == pytest.approx(0.5, abs=0.03)
    assert sum(view.caption == NO_CAPTION for view in own) / len(own) == pytest.approx(0.3, abs=0.03)
    orders = Counter(view.caption for view in own if view.item is feed.own[0] and view.caption)
    assert set(orders) == {*list_orders(feed.own[0].caption, feed.own[0].manner, ORDERS)}
    assert max(orders.values()) < 3 * min(orders.values())


def test_regularisation_images_keep_their_captions_and_count_as_set(make):
    feed = make(**FULL, regularisation_weight=0.5)
    theirs = [view for view in all_views(feed, 3) if view.item in feed.ordinary]
    assert {(view.caption == view.item.caption, view.flipped, view.weight) for view in theirs} == {(True, False, 0.5)}
    assert {view.weight for view in all_views(feed, 1) if view.item in feed.own} == {1.0}


def test_orders_of_tags(make):
    feed = make(shuffle_tags=True, keep_tags=2)
    caption = "sks person, smiling , red, green,, blue, black"
    orders = list_orders(caption, feed.own[0].manner, ORDERS)
    assert orders[0] == caption and len(orders) == ORDERS == len(set(orders))
    for order in orders[1:]:
        tags = order.split(", ")
        assert tags[:2] == ["sks person", "smiling"] and sorted(tags[2:]) == ["black", "blue", "green", "red"]
    assert list_orders("one, two", feed.own[0].manner, ORDERS) == ["one, two"], "nothing to shuffle"
    assert list_orders(caption, feed.own[0].manner, 3) == orders[:3], "a caption's alone, so that runs share them"
    assert make().list_captions(feed.own[0]) == list_orders(feed.own[0].caption, feed.own[0].manner, ORDERS)
    assert NO_CAPTION in make().list_captions(make(caption_dropout=0.1).own[0])


@pytest.mark.parametrize(("images", "orders"), [(6, 8), (250, 8), (251, 7), (999, 2), (5000, 2)])
def test_the_more_images_the_fewer_orders_of_each_are_encoded(make, images, orders):
    feed = make(shuffle_tags=True)
    own = [
        Item(Path("x.png"), f"sks {number}, a, b, c, d, e", f"{number}", Shape((96, 96)), feed.own[0].manner)
        for number in range(images)
    ]
    feed = Feed(feed.data, own, [], 1)
    assert len(feed.list_captions(own[0])) == orders == feed.orders


def test_held_out_images_are_shown_as_they_are_at_their_largest(make):
    feed = make(**FULL)
    assert show_held_out(feed.data, feed.own[3]) == View(feed.own[3], (96, 96), feed.own[3].caption)
    assert show_held_out(feed.data, feed.own[1]) == View(feed.own[1], (128, 64), feed.own[1].caption)


def test_what_the_settings_do_not_say(make):
    assert set(make().describe()) == {"sizes of the images (data.resolution, data.buckets)"}
    assert make(buckets=False).describe() == {} == make(buckets=False, resolution=[64, 96]).describe()
    own = make(buckets=False).own
    settings = make(buckets=False, flip=True).data
    assert set(Feed(settings, own, [], 1).describe()) == {"manner of the images"}
    kohya = [Item(item.path, item.caption, item.image_digest, Shape(item.shape.size, 3)) for item in own]
    assert Feed(make(flip=False).data, kohya, [], 1).describe()["repeats of the images"] == [3] * 6


def test_crops_are_those_of_the_worst_size(make):
    crops = dict(make(resolution=[64, 96]).list_crops())
    assert crops["0.png"] == 0 and 0.1 < crops["1.png"] < 0.25
    assert dict(make(buckets=False).list_crops())["1.png"] == pytest.approx(0.5)
