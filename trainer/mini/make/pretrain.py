"""Step 4, about an hour: transformer, T5 and CLIP together. `python -m trainer.mini.make.pretrain WORK [--steps N]`

Flow matching on the latents of step 3 at guidance 1. 15 % of the pairs of subject and background are held out (captions.py):
`held out` in the output is the loss on pairs that are never trained on, `trained` the same on others. The number of text
tokens is mixed, so that any max_sequence_length works. Writes the moving average.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from trainer.config import Train
from trainer.flow import Batch, compute_loss
from trainer.mini.make.captions import describe, draw_caption, is_held_out
from trainer.mini.make.fitting import Recipe, fit
from trainer.mini.make.parts import FLUX, Parts, Work, draw_noise

PRETRAINING = Recipe(11_000, 1.5e-3, warmup=80, decay=0.6, beta2=0.98, weight_decay=0.01, memory=0.998, floor=0.005)
BATCHES = [(16, 32), (24, 32), (32, 28), (64, 16), (512, 2)]  # (text tokens, images), of about equal cost
SHARES = [0.44, 0.36, 0.05, 0.11, 0.04]
MEASURED, MEASURED_TOKENS = 32, 24  # images and text tokens of a measurement
MEASURE_EVERY = 250  # steps


class Lesson:
    """The scenes as latents, and the parts that learn from them."""

    def __init__(self, work: Work, parts: Parts):
        self.parts, self.rows = parts, work.read_rows()
        self.latents = torch.load(work.latents)  # (all scenes, C, H, W)
        self.held_out = [index for index, row in enumerate(self.rows) if is_held_out(*row)]
        self.trained = [index for index, row in enumerate(self.rows) if not is_held_out(*row)]

    def find_loss(self, indices: list[int], captions: list[str], length: int, generator: torch.Generator | None) -> Tensor:
        """The loss on some scenes; noise from `generator`, or from torch's own."""
        latents = self.latents[indices]
        batch = Batch(latents, self.parts.read(captions, length))
        return compute_loss(FLUX, self.parts.transformer, batch, draw_noise(latents, generator), Train())

    def next_loss(self, rng: random.Random) -> Tensor:
        """The loss of one training step."""
        length, count = rng.choices(BATCHES, SHARES)[0]
        chosen = rng.choices(self.trained, k=count)
        return self.find_loss(chosen, [draw_caption(*self.rows[index], rng) for index in chosen], length, None)

    @torch.no_grad()
    def measure(self, indices: list[int]) -> float:
        """The loss on four batches from `indices`, with the same pictures and noise at every call."""
        rng, generator, losses = random.Random(8), torch.Generator().manual_seed(3), []
        for _ in range(4):
            chosen = rng.choices(indices, k=MEASURED)
            captions = [describe(*self.rows[index]) for index in chosen]
            losses.append(self.find_loss(chosen, captions, MEASURED_TOKENS, generator).item())
        return sum(losses) / len(losses)


def pretrain(work: Work, recipe: Recipe, start: Path | None = None) -> list[float]:
    """From fresh weights, or from those in `start`. Reads steps 1 and 3. Returns the losses."""
    torch.manual_seed(0)
    parts, rng = Parts.load(work, start) if start else Parts.new(work), random.Random(5)
    lesson = Lesson(work, parts)

    def look(step: int) -> None:
        if step % MEASURE_EVERY and step != recipe.steps:
            return
        held_out, trained = lesson.measure(lesson.held_out), lesson.measure(lesson.trained)
        print(f"  held out {held_out:.4f}, trained {trained:.4f}", flush=True)
        parts.save(work.pretrained)

    return fit(parts.weights(), recipe, lambda: lesson.next_loss(rng), look)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=PRETRAINING.steps)
    parser.add_argument("--rate", type=float, default=PRETRAINING.learning_rate, help="learning rate")
    parser.add_argument("--start", type=Path, help="go on from the weights in this folder")
    args = parser.parse_args()
    pretrain(Work(args.work), replace(PRETRAINING, steps=args.steps, learning_rate=args.rate), args.start)


if __name__ == "__main__":
    main()
