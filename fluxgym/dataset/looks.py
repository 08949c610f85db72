"""What an image's header tells of it: its size as a person sees it. Looked at again only when the file changes."""

from functools import lru_cache
from pathlib import Path

from trainer.buckets import UNIT, Size, reaches
from trainer.picture import DAMAGED, open_file, read_size


def find_size(image: Path) -> Size | None:
    """None where it cannot be opened."""
    try:
        return _find_size(image, image.stat().st_mtime_ns)
    except OSError:
        return None


def is_small(size: Size, resolution: int) -> bool:
    """Whether an image does not fill what it is to be learned at."""
    return min(size) < UNIT or not reaches(size, resolution)


@lru_cache(maxsize=50_000)
def _find_size(image: Path, _modified: int) -> Size | None:
    try:
        with open_file(image) as opened:
            return read_size(opened)
    except DAMAGED:
        return None
