"""Latents and text embeddings, computed once and kept in the run folder, one file each, named after all they depend on.

Image bytes, resolution and VAE name a latent; caption, text encoders and length name a text. So nothing is taken for
something else: whatever changes has another name (model.fingerprint says what it reads of a large T5). Files are written
beside and renamed; damaged ones are made again."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from trainer.data import load_image
from trainer.dataset import Item
from trainer.disk import make_folder, write_whole
from trainer.family import Family, Tensors, Vae
from trainer.report import count, warn

VERSION = 2  # of what is cached and how it is computed; a change makes everything again


@dataclass(frozen=True)
class Drawer:
    """The cache files of one kind of thing."""

    folder: Path
    fixed: tuple[object, ...]  # what all of them depend on

    def file(self, key: str) -> Path:
        """Where the tensors of one thing lie: named after its content and what was used on it."""
        name = hashlib.sha256(repr((VERSION, *self.fixed, key)).encode()).hexdigest()
        return self.folder / f"{name}.safetensors"

    def read(self, key: str) -> Tensors | None:
        """The tensors; None when they are not there, or damaged."""
        file = self.file(key)
        if not file.is_file():
            return None
        try:
            return load_file(file)
        except (SafetensorError, OSError) as error:
            warn(f"{file} is damaged and is made again: {error}")
            return None

    def write(self, key: str, tensors: Tensors) -> None:
        make_folder(self.folder.parent)
        make_folder(self.folder)
        write_whole(self.file(key), save(tensors))

    def fill(self, keys: Iterable[str], compute: Callable[[list[str]], Iterable[Tensors]]) -> dict[str, Tensors]:
        """The tensors of all keys; `compute` yields those that are not there yet, in the order it is given them."""
        found = {key: self.read(key) for key in dict.fromkeys(keys)}
        missing = [key for key, tensors in found.items() if tensors is None]
        if missing:
            for key, tensors in zip(missing, compute(missing), strict=True):
                self.write(key, tensors)
                found[key] = tensors
        return {key: tensors for key, tensors in found.items() if tensors is not None}


def cache_texts(family: Family, folder: Path, texts: Iterable[str]) -> dict[str, Tensors]:
    """The conditions of each text and its number of tokens. The text encoders are loaded only when one is missing."""
    parts, base = [family.fingerprint(part) for part in family.text_parts], family.base
    drawer = Drawer(folder / "text", ("text", *parts, base.max_sequence_length, base.dtype_name))

    def compute(missing: list[str]) -> Iterable[Tensors]:
        with family.text_encoder() as encoder:
            for text in count("Caching text embeddings", missing):
                yield encoder.encode(text)

    return drawer.fill(texts, compute)


def cache_latents(family: Family, vae: Vae, folder: Path, items: Iterable[Item], resolution: int) -> dict[str, Tensor]:
    """The latent (C, H, W) of each image, by the digest of its bytes."""
    drawer = Drawer(folder / "latents", ("latent", family.fingerprint("vae"), resolution))
    paths = {item.image_digest: item.path for item in items}

    def compute(missing: list[str]) -> Iterable[Tensors]:
        with vae.on_device():
            for digest in count("Caching latents", missing):
                yield {"latent": vae.encode(load_image(paths[digest], resolution))}

    return {digest: tensors["latent"] for digest, tensors in drawer.fill(paths, compute).items()}
