"""Latents and text embeddings, computed once and shared by all runs, one file each, named after all they depend on.

Image bytes, size and VAE name a latent; caption, text encoders and length name a text. So nothing is taken for something else:
whatever changes has another name (model.fingerprint says what it reads of a large T5). Files are written beside and renamed,
so several trainings may write at once; damaged ones are made again. They stay on the disk and are paged in as they are read.
storage.py clears away what nobody has used for long."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from trainer.data import Place, load_image, place_of
from trainer.dataset import DatasetError
from trainer.disk import make_folder, write_whole
from trainer.family import Family, Tensors, Vae
from trainer.feed import View
from trainer.model import ModelError
from trainer.report import count, warn
from trainer.storage import make_room, mark_used, new_mark

VERSION = 3  # of what is cached and how it is computed; a change makes everything again
K = TypeVar("K")


@dataclass(frozen=True)
class Crew:
    """The processes that fill a cache together."""

    index: int = 0
    size: int = 1
    wait: Callable[[], None] = lambda: None  # until all have come so far


@dataclass(frozen=True)
class Drawer:
    """The cache files of one kind of thing."""

    folder: Path
    fixed: tuple[object, ...]  # what all of them depend on

    def file(self, key: object) -> Path:
        """Where the tensors of one thing lie: named after its content and what was used on it."""
        name = hashlib.sha256(repr((VERSION, *self.fixed, key)).encode()).hexdigest()
        return self.folder / f"{name}.safetensors"

    def read(self, key: object) -> Tensors | None:
        """The tensors; None when they are not there, or damaged."""
        file = self.file(key)
        if not file.is_file():
            return None
        try:
            tensors = load_file(file)
        except (SafetensorError, OSError) as error:
            warn(f"{file} is damaged and is made again: {error}")
            return None
        mark_used(file)
        return tensors

    def fill(self, keys: Mapping[K, float], compute: Callable[[list[K]], Iterable[Tensors]], crew: Crew) -> dict[K, Tensors]:
        """The tensors of all keys, which come with how large they are against each other.

        Each process computes what is missing of its share: `compute` yields it in the order it is given. Then all wait for
        all, and read the whole; what was lost in between each makes by itself."""
        if crew.size > 1:
            self._make({key: keys[key] for key in list(keys)[crew.index :: crew.size]}, compute, crew.size)
            crew.wait()
        return self._make(keys, compute, 1)

    def _make(self, keys: Mapping[K, float], compute: Callable[[list[K]], Iterable[Tensors]], shares: int) -> dict[K, Tensors]:
        found = {key: tensors for key in keys if (tensors := self.read(key)) is not None}
        missing = [key for key in keys if key not in found]
        for number, (key, tensors) in enumerate(zip(missing, compute(missing), strict=True) if missing else ()):
            data = save(tensors)
            if not number:
                make_folder(self.folder.parent)
                make_folder(self.folder)
                make_room(self.folder, int(len(data) * sum(keys[each] for each in missing) / keys[key]) * shares)
            write_whole(self.file(key), data, new_mark())
            found[key] = self.read(key) or tensors  # what is read takes no memory that could be wanted
        return found


def cache_texts(family: Family, folder: Path, texts: Iterable[str], crew: Crew | None = None) -> dict[str, Tensors]:
    """The conditions of each text and its number of tokens. The text encoders are loaded only when one is missing."""
    parts, base = [family.fingerprint(part) for part in family.text_parts], family.base
    drawer = Drawer(folder / "text", ("text", *parts, base.max_sequence_length, base.dtype_name))

    def compute(missing: list[str]) -> Iterator[Tensors]:
        with family.text_encoder() as encoder:
            for text in count("Caching text embeddings", missing):
                tensors = encoder.encode(text)
                if not _is_finite(tensors):
                    problem = f"got numbers that are not finite for the text {text[:80]!r}, expected finite ones"
                    raise ModelError(base.name, [f"{' or '.join(family.text_parts)}: {problem}; download them again"])
                yield tensors

    return drawer.fill(dict.fromkeys(texts, 1.0), compute, crew or Crew())


def cache_latents(
    family: Family, vae: Vae, folder: Path, views: Iterable[View], crew: Crew | None = None
) -> dict[tuple[Place, bool], Tensor]:
    """The latent (C, H, W) of each view, by image, size and whether it is mirrored."""
    drawer = Drawer(folder / "latents", ("latent", family.fingerprint("vae")))
    wanted = {(place_of(view), view.flipped): view for view in views}

    def compute(missing: list[tuple[Place, bool]]) -> Iterator[Tensors]:
        with vae.on_device():
            for key in count("Caching latents", missing):
                view = wanted[key]
                tensors = {"latent": vae.encode(load_image(view.item, view.size, view.flipped))}
                if not _is_finite(tensors):
                    problem = f"{view.item.path.name}: got a latent with numbers that are not finite, expected finite ones"
                    cure = f"the VAE of {family.base.name} is damaged (download it again), or it cannot take this image"
                    raise DatasetError(str(view.item.path.parent), [f"{problem}; {cure}"])
                yield tensors

    areas = {key: float(view.size[0] * view.size[1]) for key, view in wanted.items()}
    return {key: tensors["latent"] for key, tensors in drawer.fill(areas, compute, crew or Crew()).items()}


def _is_finite(tensors: Tensors) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())
