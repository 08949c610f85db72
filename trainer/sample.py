"""Pictures of the prompts while the LoRA learns, drawn by the very transformer that is being trained."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from trainer.config import Config
from trainer.dataset import fill_trigger
from trainer.disk import make_folder, write_whole
from trainer.family import Family, Tensors, Vae
from trainer.folder import RunFolder
from trainer.model import free
from trainer.prompts import Picture, parse_prompt, read_prompt_file
from trainer.report import say, warn


@dataclass(frozen=True)
class Sketch:
    """What to draw, with the conditions that were made before the text encoders left."""

    picture: Picture
    conditions: Tensors
    negative: Tensors


def find_pictures(config: Config) -> list[Picture]:
    """One for each prompt of the settings and of the prompt file. Raises ValueError about a prompt that cannot be read."""
    settings = config.sample
    lines = [*settings.prompts, *(read_prompt_file(Path(settings.prompts_file)) if settings.prompts_file else [])]
    defaults = Picture("", "", settings.width, settings.height, settings.steps, settings.guidance)
    pictures = []
    for number, line in enumerate(lines):
        own = Picture(**{**vars(defaults), "seed": (settings.seed + number) % 2**31})
        pictures.append(parse_prompt(fill_trigger(line, config.trigger), own))
    return pictures


class Painter:
    """Draws the prompts. Leaves the training's random numbers alone: each picture has a generator of its own."""

    def __init__(self, family: Family, vae: Vae, transformer: torch.nn.Module, sketches: list[Sketch], folder: RunFolder):
        self.family, self.vae, self.transformer, self.sketches, self.folder = family, vae, transformer, sketches, folder

    def draw_round(self, mark: str, step: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """One picture for each prompt into the sample folder. `mark` is e000004 after an epoch, 000120 after a step."""
        if not self.sketches:
            return
        say(f"Sampling: {len(self.sketches)} prompts at step {step}")
        make_folder(self.folder.samples)
        for index in range(len(self.sketches)):
            if stopped():
                return
            picture = self._draw_if_it_fits(index)
            if picture:
                self._save(picture, mark, index)

    def _draw_if_it_fits(self, index: int) -> Image.Image | None:
        """None, with a warning, where a picture takes more memory than the training leaves: it must not end by it."""
        try:
            return self.draw(index)
        except torch.OutOfMemoryError as error:
            failed = error.with_traceback(None)  # which holds all that is in memory
        free(self.family.base.device)
        picture, reason = self.sketches[index].picture, str(failed).split(". ")[0]
        warn(f"sample {index} of {picture.width}x{picture.height} px is left out, the GPU has no room for it beside: {reason}")
        return None

    def has_round(self, mark: str) -> bool:
        """Whether the pictures of a mark are all there."""
        return all(self._find(mark, index) for index in range(len(self.sketches)))

    @torch.no_grad()
    def draw(self, index: int) -> Image.Image:
        sketch = self.sketches[index]
        latents = self.family.draw(self.transformer, sketch.picture, sketch.conditions, sketch.negative)
        with self.vae.on_device():
            return show(self.vae.decode(latents).cpu()[0])

    def _save(self, picture: Image.Image, mark: str, index: int) -> None:
        """kohya's naming. An earlier picture of the same mark, of a training that was resumed from before it, goes."""
        earlier = self._find(mark, index)
        stamp, seed = time.strftime("%Y%m%d%H%M%S"), self.sketches[index].picture.seed
        path = self.folder.samples / f"{self.folder.name}_{mark}_{index:02d}_{stamp}_{seed}.png"
        png = io.BytesIO()
        picture.save(png, format="png")
        write_whole(path, png.getvalue())
        for old in earlier:
            if old != path:
                old.unlink(missing_ok=True)
        say(f"Saving sample: {path}")

    def _find(self, mark: str, index: int) -> list[Path]:
        return list(self.folder.samples.glob(f"{self.folder.name}_{mark}_{index:02d}_*.png"))


def show(pixels: Tensor) -> Image.Image:
    """The picture of (3, H, W) in about -1..1."""
    levels = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).float().numpy()
    return Image.fromarray((levels * 255).round().astype("uint8"))
