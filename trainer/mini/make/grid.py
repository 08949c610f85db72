"""What a model knows: one picture of each subject. `python -m trainer.mini.make.grid MODEL PICTURE.png`

The seed is the subject's number and the backgrounds come in turn: nothing is picked.
"""

import sys
from pathlib import Path

import torch
from diffusers import FluxPipeline
from PIL import Image

from trainer.mini.make.backgrounds import BACKGROUNDS, SIDE
from trainer.mini.make.captions import describe
from trainer.mini.make.subjects import SUBJECTS

COLUMNS = 11
GUIDANCE, TOKENS = 3.5, 24


def load_pipeline(model: Path) -> FluxPipeline:
    """In fp32, without progress bars and without a look at the network."""
    pipe = FluxPipeline.from_pretrained(model, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sample(pipe: FluxPipeline, prompts: list[str], first_seed: int, steps: int = 16) -> list[Image.Image]:
    """One picture of SIDE px for each prompt; the first has seed `first_seed`, each further one the next."""
    generators = [torch.Generator().manual_seed(first_seed + number) for number in range(len(prompts))]
    return pipe(
        prompts,
        height=SIDE,
        width=SIDE,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        max_sequence_length=TOKENS,
        generator=generators,
    ).images


def lay_out(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Pictures of one size side by side, row after row."""
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width * columns, height * -(-len(pictures) // columns)), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (width * (number % columns), height * (number // columns)))
    return sheet


def draw_grid(model: Path, subjects: list[str], steps: int = 16) -> Image.Image:
    pipe, pictures = load_pipeline(model), []
    prompts = [describe(subject, BACKGROUNDS[number * 7 % len(BACKGROUNDS)]) for number, subject in enumerate(subjects)]
    for first in range(0, len(prompts), COLUMNS):
        pictures += sample(pipe, prompts[first : first + COLUMNS], first, steps)
    return lay_out(pictures, COLUMNS)


if __name__ == "__main__":
    draw_grid(Path(sys.argv[1]), list(SUBJECTS)).save(sys.argv[2], optimize=True)
