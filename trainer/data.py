"""From images to batches: pictures and masks as tensors, the held-out images, and a batch from what is cached."""

import hashlib
import io
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.buckets import Size
from trainer.dataset import DatasetError, Item, crop, open_mask
from trainer.family import TOKENS, Tensors
from trainer.feed import View
from trainer.flow import Batch
from trainer.picture import DAMAGED, open_image

Place = tuple[str, Size]  # the digest of a picture and the size to which it was cropped


def load_image(item: Item, size: Size, flipped: bool = False) -> Tensor:
    """(3, H, W) in -1..1: the middle of the image, scaled to cover this size.

    Raises DatasetError with the image's name when it is not, or not whole, what it was when the data set was read: what is
    made of it is kept under the name of what it was."""
    try:
        data = item.path.read_bytes()
        pixels = np.asarray(crop(open_image(io.BytesIO(data)), size), dtype=np.float32)
    except DAMAGED as error:
        problem = f"{item.path.name}: got an image that cannot be decoded, expected a whole one ({error})"
        raise DatasetError(str(item.path.parent), [problem]) from error
    if hashlib.sha256(data).hexdigest() != item.image_digest:
        problem = f"{item.path.name}: got another image than a moment ago, expected one that stays as it is; start again"
        raise DatasetError(str(item.path.parent), [problem])
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    return image.flip(-1) if flipped else image


def load_mask(item: Item, size: Size, latent: Tensor, floor: float) -> Tensor:
    """(1, H, W) in floor..1: how much each place of a latent (C, H, W) counts, the mean of the mask over it."""
    try:
        pixels = np.asarray(crop(open_mask(item), size), dtype=np.float32)
    except DAMAGED as error:
        problem = f"{item.path.name}: got a mask that cannot be decoded, expected a whole one ({error})"
        raise DatasetError(str(item.path.parent), [problem]) from error
    mask = functional.interpolate(torch.from_numpy(pixels)[None, None] / 255, latent.shape[1:], mode="area")[0]
    return floor + (1 - floor) * mask


@dataclass(frozen=True)
class Material:
    """Everything that is learned from, computed once and held ready."""

    latents: dict[tuple[Place, bool], Tensor]  # (C, H, W) by image and size, as it is and mirrored
    texts: dict[str, Tensors]  # the conditions of each caption
    masks: dict[Place, Tensor] = field(default_factory=dict)  # (1, H, W) by mask and size

    def make_batch(self, views: list[View]) -> Batch:
        """The latents and captions of some views of one size; each is looked up by its content."""
        texts = [self.texts[view.caption] for view in views]
        conditions = {name: torch.stack([text[name] for text in texts]) for name in texts[0] if name != TOKENS}
        latents = torch.stack([self.latents[place_of(view), view.flipped] for view in views])
        return Batch(latents, conditions, _stack_weights(views), self._stack_masks(views, latents))

    def _stack_masks(self, views: list[View], latents: Tensor) -> Tensor | None:
        """(B, 1, H, W), or nothing where no image of the batch has one."""
        if not any(view.item.mask for view in views):
            return None
        whole = torch.ones_like(latents[0, :1])
        masks = [self.masks[view.item.mask_digest, view.size] if view.item.mask else whole for view in views]
        return torch.stack([mask.flip(-1) if view.flipped else mask for view, mask in zip(views, masks, strict=True)])


def place_of(view: View) -> Place:
    return view.item.image_digest, view.size


def _stack_weights(views: list[View]) -> Tensor | None:
    """(B,), or nothing where all count alike."""
    return torch.tensor([view.weight for view in views]) if any(view.weight != 1 for view in views) else None


def split_validation(items: list[Item], count: int) -> tuple[list[Item], list[Item]]:
    """(images to learn from, held out): chosen by content, so that no new name, order or seed moves an image across."""
    ordered = sorted(items, key=lambda item: item.digest)
    return ordered[count:], ordered[:count]
