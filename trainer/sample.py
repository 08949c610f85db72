"""Pictures of the prompts while the LoRA learns: diffusers' own pipeline around the transformer that is being trained."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FluxPipeline
from PIL import Image
from torch import Tensor

from trainer.config import Sample
from trainer.disk import make_folder, write_whole
from trainer.flow import unpack
from trainer.folder import RunFolder
from trainer.model import Base, Vae, load_scheduler
from trainer.report import say


@dataclass(frozen=True)
class Prompts:
    """What to draw, and how. The embeddings were made before the text encoders left."""

    settings: Sample
    embeddings: list[dict[str, Tensor]]  # txt (L, D) and pooled (P), one for each prompt

    def __len__(self) -> int:
        return len(self.embeddings)


class Painter:
    """Draws the prompts. Leaves the training's random numbers alone: each picture has a generator of its own."""

    def __init__(self, base: Base, vae: Vae, transformer: Any, prompts: Prompts, folder: RunFolder):
        self.vae, self.prompts, self.folder, self.device = vae, prompts, folder, base.device
        self.pipe = FluxPipeline(
            scheduler=load_scheduler(base),
            vae=None,  # ours decodes in fp32, and is off the device while the transformer works
            text_encoder=None,
            tokenizer=None,
            text_encoder_2=None,
            tokenizer_2=None,
            transformer=transformer,
        )
        self.pipe.set_progress_bar_config(disable=True)

    def draw_round(self, mark: str, step: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """One picture for each prompt into the sample folder. `mark` is e000004 after an epoch, 000120 after a step."""
        if not len(self.prompts):
            return
        say(f"Sampling: {len(self.prompts)} prompts at step {step}")
        make_folder(self.folder.samples)
        for index in range(len(self.prompts)):
            if stopped():
                return
            self._save(self.draw(index), mark, index)

    def has_round(self, mark: str) -> bool:
        """Whether the pictures of a mark are all there."""
        return all(self._find(mark, index) for index in range(len(self.prompts)))

    @torch.no_grad()
    def draw(self, index: int) -> Image.Image:
        settings, embedding = self.prompts.settings, self.prompts.embeddings[index]
        latents = self.pipe(
            prompt_embeds=embedding["txt"][None].to(self.device),
            pooled_prompt_embeds=embedding["pooled"][None].to(self.device),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            width=settings.width,
            height=settings.height,
            generator=torch.Generator().manual_seed(settings.seed + index),
            output_type="latent",
        ).images  # (1, T, 4C)
        with self.vae.on_device():
            pixels = self.vae.decode(unpack(latents, settings.height // 8, settings.width // 8))
        return self.pipe.image_processor.postprocess(pixels.cpu(), output_type="pil")[0]

    def _save(self, picture: Image.Image, mark: str, index: int) -> None:
        """kohya's naming. An earlier picture of the same mark, of a training that was resumed from before it, goes."""
        earlier = self._find(mark, index)
        stamp, seed = time.strftime("%Y%m%d%H%M%S"), self.prompts.settings.seed + index
        path = self.folder.samples / f"{self.folder.name}_{mark}_{index:02d}_{stamp}_{seed}.png"
        png = io.BytesIO()
        picture.save(png, format="png")
        write_whole(path, png.getvalue())
        for old in earlier:
            if old != path:
                old.unlink(missing_ok=True)
        say(f"Saving sample: {path}")

    def _find(self, mark: str, index: int) -> list[Any]:
        return list(self.folder.samples.glob(f"{self.folder.name}_{mark}_{index:02d}_*.png"))
