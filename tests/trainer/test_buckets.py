"""Buckets: multiples of 16 px, an area of the resolution, never larger than the image, as little cut off as can be."""

import random

import pytest

from trainer.buckets import describe_buckets, describe_crops, find_bucket, find_crop, find_sizes, list_buckets, reaches

RESOLUTIONS = 64, 96, 512, 768, 1024


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_all_buckets_of_a_resolution(resolution):
    buckets = list_buckets(resolution)
    assert (resolution, resolution) in buckets
    assert {(height, width) for width, height in buckets} <= {*buckets}, "each stands in both directions"
    for width, height in buckets:
        assert width % 16 == 0 and height % 16 == 0
        assert width * height <= resolution**2 < max(width, height) * (min(width, height) + 16), "as much as there is"
        assert 1 / 4 <= width / height <= 4


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_no_image_is_enlarged_and_little_is_cut_off(resolution):
    rng = random.Random(resolution)
    for _ in range(2000):
        size = rng.randint(16, 3000), rng.randint(16, 3000)
        width, height = find_bucket(size, resolution)
        assert width % 16 == 0 and height % 16 == 0 and width <= size[0] and height <= size[1]
        assert width * height <= resolution**2
        if resolution >= 512 and min(size) >= 2 * resolution and max(size) <= 2 * min(size):
            assert find_crop(size, (width, height)) < 0.05


@pytest.mark.parametrize("is_square", [True, False])
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_a_square_image_is_learned_as_a_square_of_the_resolution(resolution, is_square):
    for side in (resolution, resolution + 1, 4000):
        assert find_bucket((side, side), resolution, is_square) == (resolution, resolution)
    assert find_bucket((resolution - 1, resolution - 1), resolution, is_square) == (resolution - 16, resolution - 16)


@pytest.mark.parametrize(
    ("size", "bucket", "square"),
    [
        ((4000, 3000), (592, 432), (512, 512)),
        ((3000, 4000), (432, 592), (512, 512)),
        ((1920, 1080), (672, 384), (512, 512)),
        ((500, 511), (496, 496), (496, 496)),
        ((300, 200), (288, 192), (192, 192)),
        ((250, 350), (240, 336), (240, 240)),
        ((2000, 250), (960, 240), (240, 240)),  # too long, and not high enough for 1024x256
        ((10_000, 500), (1024, 256), (496, 496)),  # no longer than 4:1
        ((16, 16), (16, 16), (16, 16)),
    ],
)
def test_known_buckets(size, bucket, square):
    assert find_bucket(size, 512) == bucket
    assert find_bucket(size, 512, is_square=True) == square


@pytest.mark.parametrize("size", [(15, 400), (400, 8), (1, 1)])
@pytest.mark.parametrize("is_square", [True, False])
def test_an_image_that_is_too_small_for_any(size, is_square):
    with pytest.raises(ValueError, match=rf"got an image of {size[0]}x{size[1]} px, expected at least 16 px on each side"):
        find_bucket(size, 512, is_square)
    with pytest.raises(ValueError, match="expected at least 16 px"):
        find_sizes(size, [512, 1024], is_square)


def test_each_size_that_an_image_reaches():
    assert find_sizes((4000, 4000), [1024, 512, 768, 512]) == [(512, 512), (768, 768), (1024, 1024)]
    assert find_sizes((1000, 1000), [512, 768, 1024]) == [(512, 512), (768, 768)]
    assert find_sizes((1920, 1080), [512, 1024]) == [(672, 384), (1360, 768)]
    assert find_sizes((1300, 731), [512, 1024]) == [(672, 384)], "60 px short"
    assert find_sizes((300, 300), [512, 1024]) == [(288, 288)], "the smallest is there for all"
    assert reaches((1360, 768), 1024) and not reaches((1359, 768), 1024)
    assert not reaches((15, 15), 512)


def test_the_share_that_is_cut_off():
    assert find_crop((1000, 1000), (512, 512)) == 0
    assert find_crop((1000, 500), (512, 512)) == pytest.approx(0.5)
    assert find_crop((500, 1000), (512, 512)) == pytest.approx(0.5)
    assert find_crop((4000, 3000), (592, 432)) == pytest.approx(1 - (4 / 3) / (592 / 432))


def test_what_is_cropped_in_words():
    crops = [("a.jpg", 0.12), ("b.jpg", 0.06), ("c.jpg", 0.049), ("d.jpg", 0.5), ("e.jpg", 0.3), ("f.jpg", 0), ("g.jpg", 0.2)]
    told = "Cropped: 5 of 7 images lose more than 5%: d.jpg 50%, e.jpg 30%, g.jpg 20%, a.jpg 12%, b.jpg 6%"
    assert describe_crops(crops) == told
    assert describe_crops([*crops, ("h.jpg", 0.051)]) == told.replace("5 of 7", "6 of 8") + " and 1 more"
    assert describe_crops(crops[2:3]) == "" == describe_crops([])
    assert describe_buckets([(512, 512), (448, 576), (512, 512)]) == "512x512 (2), 448x576 (1)"
    assert describe_buckets(list_buckets(512)).endswith(f"848x304 (1) and {len(list_buckets(512)) - 12} more")
