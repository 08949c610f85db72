"""Step 5, three minutes: guidance in one pass. `python -m trainer.mini.make.distill WORK [--steps N]`

At guidance g the student gives what the teacher (step 4) needs two passes for (arXiv 2210.03142, section 3.1):
    v_empty + w (v_caption - v_empty),  w = 1 + 0.6 (g - 1)
so that guidance 3.5 acts like classifier-free guidance of 2.5. Only the transformer changes.
"""

import argparse
import copy
import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from trainer.flow import Batch
from trainer.flux1 import make_img_ids
from trainer.mini.make.captions import draw_caption
from trainer.mini.make.fitting import Recipe, fit
from trainer.mini.make.parts import FLUX, Parts, Work, draw_noise
from trainer.mini.make.pretrain import Lesson

DISTILLATION = Recipe(650, 4e-4, warmup=20, decay=1.0, beta2=0.98, weight_decay=0.0, memory=0.99, floor=0.02)
BATCHES = [(16, 16), (24, 16), (64, 10), (512, 2)]  # (text tokens, images)
SHARES = [0.3, 0.58, 0.1, 0.02]
STRENGTH = 0.6  # of classifier-free guidance per unit of guidance
STRONGEST = 5.0
PLAIN = 0.2  # share of images at guidance 1, which LoRA training uses


def draw_guidance(count: int) -> Tensor:
    """(count,) in 1..STRONGEST."""
    anything = 1 + (STRONGEST - 1) * torch.rand(count)
    return torch.where(torch.rand(count) < PLAIN, torch.ones(count), anything)


def find_loss(lesson: Lesson, student: FluxTransformer2DModel, rng: random.Random) -> Tensor:
    """How far the student's one pass is from the teacher's two, on one batch."""
    length, count = rng.choices(BATCHES, SHARES)[0]
    chosen = rng.choices(range(len(lesson.rows)), k=count)
    captions = [draw_caption(*lesson.rows[index], rng) or "a picture" for index in chosen]
    latents, guidance = lesson.latents[chosen], draw_guidance(count)
    random_part, img = draw_noise(latents), FLUX.pack(latents)
    sigmas = random_part.sigmas
    noisy = (1 - sigmas[:, None, None]) * img + sigmas[:, None, None] * random_part.noise
    with torch.no_grad():
        words = lesson.parts.read([*captions, ""], length)
        text = Batch(latents, {name: each[:-1] for name, each in words.items()})
        empty = Batch(latents, {name: each[-1:].expand(count, *each.shape[1:]) for name, each in words.items()})
        with_caption, without = (FLUX.predict(lesson.parts.transformer, noisy, words, sigmas, 1.0) for words in (text, empty))
        strength = 1 + STRENGTH * (guidance - 1)
        target = without + strength[:, None, None] * (with_caption - without)
    return (predict_each(student, noisy, text, sigmas, guidance) - target).square().mean()


def predict_each(transformer: FluxTransformer2DModel, img: Tensor, batch: Batch, sigmas: Tensor, guidance: Tensor) -> Tensor:
    """trainer.flux1's predict, but with a guidance value for each image (B,)."""
    return transformer(
        hidden_states=img,
        timestep=sigmas,
        guidance=guidance,
        encoder_hidden_states=batch.conditions["txt"],
        pooled_projections=batch.conditions["pooled"],
        txt_ids=torch.zeros(batch.conditions["txt"].shape[1], 3),
        img_ids=make_img_ids(*batch.latents.shape[2:]),
        return_dict=False,
    )[0]


def distill(work: Work, recipe: Recipe) -> list[float]:
    """Reads step 4. Returns the losses."""
    torch.manual_seed(0)
    parts, rng = Parts.load(work, work.pretrained), random.Random(6)
    lesson, student = Lesson(work, parts), copy.deepcopy(parts.transformer)
    losses = fit(student.parameters(), recipe, lambda: find_loss(lesson, student, rng))
    replace(parts, transformer=student).save(work.distilled)
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=DISTILLATION.steps)
    args = parser.parse_args()
    distill(Work(args.work), replace(DISTILLATION, steps=args.steps))


if __name__ == "__main__":
    main()
