"""What flux-mini is taught in tests that measure: six pictures of 64 px with their captions, on a bf16 base."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from trainer import mini
from trainer.blocks import make_finish
from trainer.config import Lora, Model, Train
from trainer.families import find_base
from trainer.flow import Batch, compute_loss, draw_noise, draw_validation_noise
from trainer.lora import add_lora

STEPS, SETTINGS = 200, Train()


@dataclass
class Lesson:
    """What is learned: pictures of 64 px, encoded, with their captions."""

    family: Any
    latents: torch.Tensor
    conditions: dict[str, torch.Tensor]

    def batch(self, numbers):
        return Batch(self.latents[numbers], {name: tensor[numbers] for name, tensor in self.conditions.items()})

    def load(self, kind, matmul_8bit):
        return self.family.load_transformer(make_finish(7, 0, kind, matmul_8bit))

    def questions(self):
        """All pictures, each at eight levels of fixed noise."""
        batches = [self.batch([number] * 8) for number in range(len(self.latents))]
        return [(batch, draw_validation_noise(self.family, batch, str(number))) for number, batch in enumerate(batches)]

    @torch.no_grad()
    def measure(self, transformer):
        """The mean loss."""
        losses = [compute_loss(self.family, transformer, *question, SETTINGS) for question in self.questions()]
        return torch.stack(losses).mean().item()

    @torch.no_grad()
    def answer(self, transformer):
        """The velocities."""
        answers = []
        for batch, random in self.questions():
            img, sigmas = self.family.pack(batch.latents), random.sigmas[:, None, None]
            noisy = (1 - sigmas) * img + sigmas * random.noise
            answers.append(self.family.predict(transformer, noisy, batch, random.sigmas, 1.0).float())
        return torch.cat(answers)

    def learn(self, kind, matmul_8bit):
        """The loss after STEPS steps, and before."""
        transformer = self.load(kind, matmul_8bit)
        weights = add_lora(transformer, self.family, Lora(rank=4, alpha=4, targets="attention"), 1)
        optimizer, before = torch.optim.AdamW(weights.values(), lr=2e-3), self.measure(transformer)
        for step in range(STEPS):
            batch = self.batch([step % len(self.latents), (step * 5 + 1) % len(self.latents)])
            compute_loss(self.family, transformer, batch, draw_noise(self.family, batch, SETTINGS, step), SETTINGS).backward()
            optimizer.step()
            optimizer.zero_grad()
        return self.measure(transformer), before


def make_lesson():
    family = find_base(Model(base=str(mini.MODEL), dtype="bf16", max_sequence_length=24), torch.device("cpu"))
    paths, vae = sorted(mini.DATASET.glob("*.png"))[:6], family.load_vae()
    images = [np.asarray(Image.open(path).convert("RGB").resize((64, 64)), np.float32) for path in paths]
    latents = [vae.encode(torch.tensor(image).permute(2, 0, 1) / 127.5 - 1) for image in images]
    with family.text_encoder() as encoder:
        texts = [encoder.encode(path.with_suffix(".txt").read_text()) for path in paths]
    conditions = {name: torch.stack([text[name] for text in texts]) for name in texts[0] if name != "tokens"}
    return Lesson(family, torch.stack(latents), conditions)
