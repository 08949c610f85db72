"""The size at which an image is learned: a bucket near its own shape. Arithmetic alone; imports no torch.

A bucket's sides are multiples of 16 px (an eighth in the latent, patches of two), its area is that of a square of the
resolution or a little less, and no image is enlarged to fill it: it is scaled down until it covers the bucket, and what
stands over is cut off on both sides alike. Images of one batch are of one bucket."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

UNIT = 16  # px
LONGEST = 4  # a bucket's sides are at most 4:1
NOTABLE = 0.05  # share of an image from which on its crop is told
SHOWN, SIZES_SHOWN = 5, 12  # files and sizes named in one line
Size = tuple[int, int]  # width and height in px


@dataclass(frozen=True)
class Shape:
    """What the number of steps depends on, of one image."""

    size: Size  # as a person sees it
    repeats: int | None = None  # how often it is shown in an epoch; unset: as the settings say
    resolutions: tuple[int, ...] = ()  # px; none: those of the settings


@lru_cache(maxsize=4096)
def list_buckets(resolution: int) -> tuple[Size, ...]:
    """The buckets of one resolution: for each side the largest other one, as far as the area goes."""
    longer = range(resolution, 2 * resolution + 1, UNIT)
    found = [(side, other) for side in longer if LONGEST * (other := resolution**2 // side // UNIT * UNIT) >= side]
    return tuple(sorted({*found, *((other, side) for side, other in found)}))


def find_bucket(size: Size, resolution: int, is_square: bool = False) -> Size:
    """The bucket of an image: of those of the resolution the one nearest to its shape, or what there is of a smaller image.

    A square image of at least the resolution gets a square of it. Raises ValueError where there is not even one unit."""
    width, height = size
    whole = width // UNIT * UNIT, height // UNIT * UNIT
    for side in range(resolution, 0, -UNIT):
        bucket = (side, side) if is_square else _nearest(width / height, side)
        if bucket[0] <= width and bucket[1] <= height:
            return bucket
        if not is_square and whole[0] * whole[1] <= resolution**2 and 0 < max(whole) <= LONGEST * min(whole):
            return whole
    raise ValueError(f"got an image of {width}x{height} px, expected at least {UNIT} px on each side")


def find_sizes(size: Size, resolutions: Iterable[int], is_square: bool = False) -> list[Size]:
    """The buckets in which an image is learned, the smallest first: of each resolution that it reaches, and of the smallest
    one as far as it reaches. Raises ValueError where it is too small for any."""
    first, *others = sorted(set(resolutions))
    found = [find_bucket(size, first, is_square)]
    return found + [find_bucket(size, side, is_square) for side in others if reaches(size, side, is_square)]


def reaches(size: Size, resolution: int, is_square: bool = False) -> bool:
    """Whether an image fills the bucket that one of its shape has, however large it is."""
    large = (size[0] * resolution, size[1] * resolution)
    return min(size) >= UNIT and find_bucket(size, resolution, is_square) == find_bucket(large, resolution, is_square)


def find_crop(size: Size, bucket: Size) -> float:
    """The share of an image that is cut off when it is scaled to cover a bucket."""
    across, down = bucket[0] / size[0], bucket[1] / size[1]
    return 1 - min(across, down) / max(across, down)


@lru_cache(maxsize=65536)
def _nearest(ratio: float, resolution: int) -> Size:
    """By the logarithm of the ratio, in which 2:1 is as far from a square as 1:2."""
    return min(
        list_buckets(resolution), key=lambda bucket: (abs(math.log(bucket[0] / bucket[1] / ratio)), -bucket[0] * bucket[1])
    )


# ---- in words --------------------------------------------------------------------------------------------------------
def describe_crops(crops: Sequence[tuple[str, float]]) -> str:
    """One line about the images, by name, of which a notable share is cut off; empty where there are none."""
    cut = sorted(((share, name) for name, share in crops if share > NOTABLE), key=lambda each: (-each[0], each[1]))
    if not cut:
        return ""
    named = ", ".join(f"{name} {share:.0%}" for share, name in cut[:SHOWN])
    more = f" and {len(cut) - SHOWN} more" if len(cut) > SHOWN else ""
    return f"Cropped: {len(cut)} of {len(crops)} images lose more than {NOTABLE:.0%}: {named}{more}"


def describe_buckets(sizes: Iterable[Size]) -> str:
    """'512x512 (12), 448x576 (3)', the most frequent first."""
    counted = sorted(((count, size) for size, count in Counter(sizes).items()), reverse=True)
    named = ", ".join(f"{width}x{height} ({count})" for count, (width, height) in counted[:SIZES_SHOWN])
    return named + (f" and {len(counted) - SIZES_SHOWN} more" if len(counted) > SIZES_SHOWN else "")
