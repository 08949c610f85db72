"""What a LoRA has learned and what it has spoiled: `python -m trainer.mini.make.judge SHEET.png LORA...`

For flux-mini alone, then with each LoRA, three losses at fixed noise: on the pictures it learned from, on robots that it
never saw, and on 18 subjects that are not among the regularisation pictures. The sheet has a row for each prompt, a column
for each of these. Needs the emoji font.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from PIL import Image

from trainer.config import Train
from trainer.flow import Batch, Noise, compute_loss
from trainer.mini import DATASET, MODEL
from trainer.mini.make.autoencoder import to_tensor
from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe
from trainer.mini.make.demo_set import TESTED, TRIGGER
from trainer.mini.make.grid import TOKENS, lay_out, load_pipeline, sample
from trainer.mini.make.parts import FLUX
from trainer.mini.make.scenes import draw_robot_scene, draw_scene

UNSEEN = ["blue", "in the snow", "on the beach", "pink", "at sunset", "in space"]  # the last three not even by the LoRA
ROBOT_PROMPTS = [describe(TRIGGER, where) for where in [*UNSEEN, "red", "in the desert"]]
OTHER_PROMPTS = [
    describe(subject, BACKGROUNDS[number * 5 % len(BACKGROUNDS)]) for number, subject in enumerate(TESTED) if number % 3 < 2
]
DRAWS, LEVELS = 48, 8  # noises and noise levels of one loss


@torch.no_grad()
def encode(pipe: FluxPipeline, pictures: list[Image.Image], captions: list[str]) -> Batch:
    z = pipe.vae.encode(to_tensor(np.stack([np.asarray(picture) for picture in pictures]))).latent_dist.mean
    txt, pooled, _ = pipe.encode_prompt(captions, None, max_sequence_length=TOKENS, device="cpu")
    return Batch((z - pipe.vae.config.shift_factor) * pipe.vae.config.scaling_factor, {"txt": txt, "pooled": pooled})


@torch.no_grad()
def measure(pipe: FluxPipeline, pictures: Batch) -> float:
    """The loss at guidance 1, with the same noise at every call."""
    chosen = torch.arange(DRAWS) % len(pictures.latents)
    batch = Batch(pictures.latents[chosen], {name: words[chosen] for name, words in pictures.conditions.items()})
    sigmas = (torch.arange(DRAWS) * LEVELS // DRAWS + 0.5) / LEVELS
    noise = torch.randn(FLUX.pack(batch.latents).shape, generator=torch.Generator().manual_seed(9))
    return compute_loss(FLUX, pipe.transformer, batch, Noise(sigmas, noise), Train()).item()


def prepare(pipe: FluxPipeline) -> dict[str, Batch]:
    """What is measured: own pictures, unseen robots, other subjects."""
    rng = random.Random(11)
    paths = sorted(DATASET.glob("*.png"))
    own = [Image.open(path).convert("RGB") for path in paths]
    said = [path.with_suffix(".txt").read_text(encoding="utf-8").strip() for path in paths]
    unseen = [draw_robot_scene(where, rng) for where in UNSEEN]
    pairs = [(subject, BACKGROUNDS[number * 5 % len(BACKGROUNDS)]) for number, subject in enumerate(TESTED)]
    others = [draw_scene(*pair, rng) for pair in pairs]
    return {
        "own": encode(pipe, own, said),
        "unseen": encode(pipe, unseen, [describe(TRIGGER, where) for where in UNSEEN]),
        "others": encode(pipe, others, [describe(*pair) for pair in pairs]),
    }


def judge(model: Path, loras: list[Path], steps: int = 16) -> Iterator[tuple[str, dict[str, float], list[Image.Image]]]:
    """Name, losses, and one picture for each of ROBOT_PROMPTS and OTHER_PROMPTS; for the base, then for each LoRA."""
    pipe = load_pipeline(model)
    pictures = prepare(pipe)
    for lora in [None, *loras]:
        if lora:
            pipe.load_lora_weights(lora.parent, weight_name=lora.name)
        losses = {name: measure(pipe, some) for name, some in pictures.items()}
        yield lora.name if lora else "base", losses, sample(pipe, ROBOT_PROMPTS + OTHER_PROMPTS, 40, steps)
        if lora:
            pipe.unload_lora_weights()


def main(sheet: Path, loras: list[Path], steps: int = 16) -> None:
    columns = []
    for name, losses, tiles in judge(MODEL, loras, steps):
        print(f"{name:<32}", *(f"{part} {loss:.3f}" for part, loss in losses.items()), flush=True)
        columns.append(tiles)
    lay_out([tile for row in zip(*columns, strict=True) for tile in row], len(columns)).save(sheet, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(lora) for lora in sys.argv[2:]])
