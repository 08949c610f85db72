"""How many steps each run of a sweep takes, and whether it could begin: base model and images are looked at once for all runs
that have them in common."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fluxgym.run.base_model import find_base_problem
from trainer.buckets import Shape, Size, find_sizes
from trainer.config import Config
from trainer.dataset import read_dataset
from trainer.listing import DatasetError
from trainer.plan import Plan, make_plan

NOT_READ = {"batch_size", "repeats", "flip", "validation_images"}  # settings of [data] that change nothing in how it is read


def read_shapes(config: Config) -> Sequence[Shape]:
    """Reads every byte of the images. Raises ValueError where one cannot be learned from."""
    try:
        return read_dataset(config).shapes
    except DatasetError as error:
        raise ValueError(f"{error}; looked at {Path(error.folder).absolute()}") from error


def name_images(config: Config) -> str:
    """The same for runs that learn from the same images with the same captions."""
    return f"{config.trigger} {config.data.model_dump_json(exclude=NOT_READ)}"


class Reader:
    """Remembers what it has seen. `read`: gives the shapes of the images, or raises ValueError."""

    def __init__(self, read: Callable[[Config], Sequence[Shape]] = read_shapes) -> None:
        self._read = read
        self._bases: dict[str, str] = {}
        self._images: dict[str, Sequence[Shape] | str] = {}

    def plan(self, config: Config) -> Plan:
        """Raises ValueError where the run could not begin. Paths are from the current folder, as the trainer takes them."""
        base = config.model.base
        trouble = self._bases[base] = self._bases[base] if base in self._bases else find_base_problem(base)
        if trouble:
            raise ValueError(f"model.base: {trouble}")
        return make_plan(config, self._find_shapes(config))

    def find_sizes(self, config: Config) -> list[Size]:
        """Those of all images as they are learned, px, once for each resolution. Raises ValueError as `plan` does."""
        data = config.data
        found = [
            find_sizes(shape.size, shape.resolutions or data.resolutions, not data.buckets)
            for shape in self._find_shapes(config)
        ]
        return [size for sizes in found for size in sizes]

    def _find_shapes(self, config: Config) -> Sequence[Shape]:
        images = name_images(config)
        if images not in self._images:
            try:
                self._images[images] = self._read(config)
            except ValueError as error:
                self._images[images] = str(error)
        shapes = self._images[images]
        if isinstance(shapes, str):
            raise ValueError(shapes)
        return shapes
