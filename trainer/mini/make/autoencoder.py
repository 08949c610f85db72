"""Step 3, about half an hour: the autoencoder. `python -m trainer.mini.make.autoencoder WORK [--steps DECODER BOTH]`

First the decoder alone, on the latents of the linear encoder (linear.py); then both. A weak pull towards the linear
latents keeps them smooth, noise on them makes the decoder forgiving. Writes the autoencoder and the latents of all scenes.
Needs the emoji font where there are glyphs among the scenes: it measures itself on new ones.
"""

import argparse
import copy
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.fitting import Recipe, fit
from trainer.mini.make.linear import write_linear_encoder
from trainer.mini.make.parts import Work, new_vae
from trainer.mini.make.scenes import TOY, draw_robot_scene, draw_scene

BATCH = 8
NOISE = 0.04  # on the latents, as a share of their spread
SQUARES, EDGES, PULL = 0.5, 0.5, 0.01  # weights of the loss, beside L1
DECODER = Recipe(10_000, 3e-3, warmup=60, decay=0.7, beta2=0.99, weight_decay=1e-4, memory=0.995)
BOTH = Recipe(5_000, 1.5e-3, warmup=60, decay=0.7, beta2=0.99, weight_decay=1e-4, memory=0.995)


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def start_decoder(decoder: nn.Module) -> None:
    """First weights that keep the scale through the linear paths, with quiet residual branches."""
    for name, layer in decoder.named_modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
            if name.endswith(".conv2"):
                layer.weight.mul_(0.2)
    decoder.conv_out.weight.mul_(0.5)


def find_loss(vae: AutoencoderKL, linear: nn.Module, x: Tensor) -> Tensor:
    """What the round trip of x (B, 3, H, W) lacks: L1, squares, edges, and distance from the linear encoder's latents."""
    with torch.no_grad():
        first = linear(x).chunk(2, 1)[0]
    spread = first.std()
    z = vae.encode(x).latent_dist.mean
    y = vae.decode(z + NOISE * spread * torch.randn_like(z)).sample
    edges = (y.diff(dim=-1) - x.diff(dim=-1)).abs().mean() + (y.diff(dim=-2) - x.diff(dim=-2)).abs().mean()
    pull = ((z - first) / spread).square().mean()
    return (y - x).abs().mean() + SQUARES * (y - x).square().mean() + EDGES * edges + PULL * pull


def draw_batch(pictures: np.ndarray, rng: random.Random) -> Tensor:
    """(BATCH, 3, 96, 96): mirrored half of the time, with exchanged colours once in five."""
    x = to_tensor(pictures[rng.choices(range(len(pictures)), k=BATCH)])
    if rng.random() < 0.2:
        x = x[:, rng.sample(range(3), 3)]
    return (x.flip(-1) if rng.random() < 0.5 else x).contiguous(memory_format=torch.channels_last)


def train(vae: AutoencoderKL, pictures: np.ndarray, recipe: Recipe, with_encoder: bool) -> list[float]:
    """One stage, in place. Returns the losses."""
    linear, rng = copy.deepcopy(vae.encoder).requires_grad_(False), random.Random(recipe.steps)
    vae.encoder.requires_grad_(with_encoder)
    vae.to(memory_format=torch.channels_last)
    weights = [weight for weight in vae.parameters() if weight.requires_grad]
    return fit(weights, recipe, lambda: find_loss(vae, linear, draw_batch(pictures, rng)))


@torch.no_grad()
def measure_psnr(vae: AutoencoderKL, pictures: Tensor) -> float:
    """Mean PSNR in dB of the round trips of (N, 3, H, W) in -1..1."""
    y = vae.decode(vae.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
    return (10 * torch.log10(4 / (y - pictures).square().mean((1, 2, 3)))).mean().item()


def draw_unseen(subjects: list[str]) -> tuple[Tensor, Tensor]:
    """24 new scenes of `subjects`, and 18 robots, which no part is ever trained on. (N, 3, 96, 96) each."""
    rng = random.Random(99)
    scenes = [draw_scene(rng.choice(subjects), where, rng) for where in (BACKGROUNDS * 2)[:24]]
    robots = [draw_robot_scene(where, rng) for where in BACKGROUNDS]
    return to_tensor(np.stack([np.asarray(scene) for scene in scenes])), to_tensor(np.stack([np.asarray(r) for r in robots]))


@torch.no_grad()
def write_latents(vae: AutoencoderKL, scenes: np.ndarray, work: Work) -> None:
    """Normalised latents (N, 16, 12, 12) of all scenes; the normalisation goes into the autoencoder's config."""
    parts = [vae.encode(to_tensor(scenes[i : i + 100])).latent_dist.mean for i in range(0, len(scenes), 100)]
    z = torch.cat(parts)
    shift, scale = round(z.mean().item(), 4), round(1 / z.std().item(), 4)
    vae.register_to_config(shift_factor=shift, scaling_factor=scale)
    torch.save(((z - shift) * scale).contiguous(), work.latents)
    vae.save_pretrained(work.vae)


def make_autoencoder(work: Work, decoder: Recipe, both: Recipe) -> None:
    """Reads the pictures of step 2."""
    torch.manual_seed(0)
    scenes = np.load(work.scenes)
    pictures = np.concatenate([scenes[::2], np.load(work.drawings)])
    vae = new_vae()
    write_linear_encoder(vae, to_tensor(pictures[::10]))
    start_decoder(vae.decoder)
    train(vae, pictures, decoder, with_encoder=False)
    train(vae, pictures, both, with_encoder=True)
    write_latents(vae.eval(), scenes, work)
    subjects = sorted({subject for subject, _ in work.read_rows()} - {TOY})
    seen, robots = (measure_psnr(vae, pictures) for pictures in draw_unseen(subjects or [TOY]))
    print(f"PSNR of new scenes {seen:.2f} dB, of robots {robots:.2f} dB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, nargs=2, default=(DECODER.steps, BOTH.steps), metavar=("DECODER", "BOTH"))
    args = parser.parse_args()
    make_autoencoder(Work(args.work), replace(DECODER, steps=args.steps[0]), replace(BOTH, steps=args.steps[1]))


if __name__ == "__main__":
    main()
