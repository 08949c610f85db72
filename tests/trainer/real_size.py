"""FLUX.1-dev at its real size, without its weights: for what can be counted on shapes alone."""

from pathlib import Path

import torch

from trainer.flow import Batch
from trainer.flux1 import Flux1
from trainer.model import Base
from trainer.parts import Part

TEXT = 512  # tokens


def make_flux1(folder: Path, device: str = "cpu") -> Flux1:
    """`folder` gets the config of a transformer whose every size is diffusers' default, which is FLUX.1-dev's."""
    folder.joinpath("config.json").write_text('{"guidance_embeds": true}')
    parts = {"transformer": Part(folder)}
    return Flux1(Base("FLUX.1-dev", parts, torch.device(device), torch.bfloat16, TEXT, is_guided=True))


def make_batch(width: int, height: int, images: int = 1, device: str = "meta") -> Batch:
    """Latents of images of so many px, and their texts, of any numbers."""
    fill = lambda *shape: torch.zeros(images, *shape, device=device)  # noqa: E731
    return Batch(fill(16, height // 8, width // 8), {"txt": fill(TEXT, 4096), "pooled": fill(768)})
