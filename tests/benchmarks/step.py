"""What our step costs: against bare forward + backward + optimizer, against a step as diffusers' example script makes it, and,
on a GPU, FLUX.1 at its real size.

Run: `python -m tests.benchmarks.step [--rounds 30] [--steps 5] [--compile]`: flux-mini on the CPU with the demo's settings. All
take turns, so that whatever else the machine does falls on all of them; medians of the rounds' ratios, in wall time and in CPU
time. `--full [--compile]` prints the table of full_size.py instead, `--tiny` the same in small to see that it runs.

The rival's step is written anew after huggingface/diffusers, examples/dreambooth/train_dreambooth_lora_flux.py (58eb52c0), with
its options --cache_latents and one prompt for all, so that nobody encodes anything in a step. It takes peft's LoRA on the same
linears, noise and times as they are drawn there, a look-up and a read-back for each image's time, gradients clipped over all
parameters, AdamW that is not fused, and a bar that is told the loss of each step. The script itself needs torchvision."""

# ruff: noqa: E402  the libraries are told to be quiet before they are imported
from trainer.report import quiet_libraries

quiet_libraries()

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from accelerate import Accelerator
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_density_for_timestep_sampling, compute_loss_weighting_for_sd3
from peft import LoraConfig
from tqdm import tqdm

from tests.benchmarks.full_size import print_table
from trainer import mini
from trainer.config import load_config
from trainer.flow import draw_noise
from trainer.flux1 import make_img_ids
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.loop import listen, next_batch, take_step
from trainer.lora import find_targets
from trainer.prepare import Training, prepare

Step = Callable[[], None]
GOALS = {"ours / bare": 1.02, "ours compiled / bare compiled": 1.02, "ours / diffusers": None, "ours compiled / diffusers": 0.8}


def open_training(folder: Path, compiles: bool) -> Training:
    config = load_config(mini.DEMO)
    speed = config.speed.model_copy(update={"compile": compiles})
    return prepare(config.model_copy(update={"speed": speed}), RunFolder(folder / f"compiled-{compiles}"), None, Stop())


def make_our_step(training: Training) -> Step:
    """One turn of the loop in train(), with its look for wishes before and its line in the log after it."""

    def step() -> None:
        assert not listen(training).stop
        outcome, progress = take_step(training), training.progress
        progress.step, progress.position = progress.step + 1, progress.position + 1
        training.tally.note(progress.step, outcome)
        progress.position %= training.plan.steps_per_epoch

    return step


def make_bare_step(training: Training) -> Step:
    """Forward, backward and AdamW on one batch that is ready: nothing is drawn, looked up, clipped or told."""
    model, batch = training.model, next_batch(training)
    random = draw_noise(training.family, batch, training.config.train, 1)
    img, sigmas = training.family.pack(batch.latents), random.sigmas[:, None, None]
    inputs = {
        "hidden_states": (1 - sigmas) * img + sigmas * random.noise,
        "timestep": random.sigmas,
        "guidance": torch.ones(len(img)),
        "encoder_hidden_states": batch.conditions["txt"],
        "pooled_projections": batch.conditions["pooled"],
        "txt_ids": torch.zeros(batch.conditions["txt"].shape[1], 3),
        "img_ids": make_img_ids(*batch.latents.shape[2:]),
    }
    target = random.noise - img

    def step() -> None:
        (model(**inputs, return_dict=False)[0] - target).square().mean().backward()
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)

    return step


def make_rival_step(training: Training) -> Step:
    """On a model of its own, with a LoRA on the linears that ours is on."""
    accelerator, settings = Accelerator(cpu=True), training.config.train
    model = FluxTransformer2DModel.from_pretrained(mini.MODEL, subfolder="transformer", dtype=torch.float32)
    model.requires_grad_(False)
    rank, targets = training.config.lora.rank, find_targets(model, training.family, training.config.lora)
    model.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets))
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=settings.learning_rate, betas=(0.9, 0.999), weight_decay=1e-4)
    model, optimizer, rates = accelerator.prepare(model, optimizer, get_scheduler("constant", optimizer))
    times = FlowMatchEulerDiscreteScheduler.from_pretrained(mini.MODEL, subfolder="scheduler")
    bar = tqdm(total=10**6, file=io.StringIO())

    def step() -> None:
        with accelerator.accumulate(model):
            loss = find_rival_loss(training, model, times)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            optimizer.zero_grad()
        bar.update(1)
        bar.set_postfix(loss=loss.detach().item(), lr=rates.get_last_lr()[0])

    return step


def find_rival_loss(training: Training, model: FluxTransformer2DModel, times: FlowMatchEulerDiscreteScheduler) -> torch.Tensor:
    batch = next_batch(training)
    latents, (size, channels, height, width) = batch.latents, batch.latents.shape
    ids = FluxPipeline._prepare_latent_image_ids(size, height // 2, width // 2, "cpu", torch.float32)
    noise = torch.randn_like(latents)
    places = compute_density_for_timestep_sampling("none", size, 0.0, 1.0, 1.29)
    chosen = times.timesteps[(places * times.config.num_train_timesteps).long()]
    sigmas = times.sigmas[[(times.timesteps == one).nonzero().item() for one in chosen]].view(-1, 1, 1, 1)
    noisy = (1.0 - sigmas) * latents + sigmas * noise
    found = model(
        hidden_states=FluxPipeline._pack_latents(noisy, size, channels, height, width),
        timestep=chosen / 1000,
        guidance=torch.tensor([3.5]).expand(size),
        pooled_projections=batch.conditions["pooled"],
        encoder_hidden_states=batch.conditions["txt"],
        txt_ids=torch.zeros(batch.conditions["txt"].shape[1], 3),
        img_ids=ids,
        return_dict=False,
    )[0]
    found = FluxPipeline._unpack_latents(found, height * 8, width * 8, 8)
    weighting = compute_loss_weighting_for_sd3("none", sigmas)
    return (weighting * (found.float() - (noise - latents)) ** 2).reshape(size, -1).mean(1).mean()


def measure(step: Step, steps: int) -> tuple[float, float]:
    """Seconds per step: on the clock, and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def compare(contenders: dict[str, Step], rounds: int, steps: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds per step of each, round by round; every other one backwards, as it is faster to come after one's like."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds + 1):
        for name in names if number % 2 else names[::-1]:
            taken = measure(contenders[name], steps)
            if number:  # the first round warms up, and compiles
                results[name].append(taken)
    return results


def tell(results: dict[str, list[tuple[float, float]]]) -> None:
    for name, taken in results.items():
        wall, cpu = (median(row[column] for row in taken) * 1e3 for column in (0, 1))
        print(f"{name:16} {wall:7.1f} ms a step, {cpu:7.1f} ms of CPU")
    for pair, goal in GOALS.items():
        one, other = pair.split(" / ")
        if one in results and other in results:
            rows = list(zip(results[one], results[other], strict=True))
            wall, cpu = (median(ours[column] / theirs[column] for ours, theirs in rows) for column in (0, 1))
            print(f"{pair}: {wall:.3f} times on the clock, {cpu:.3f} of CPU" + (f" (goal: up to {goal})" if goal else ""))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind in a round")
    parser.add_argument("--compile", action="store_true", help="compiled too, which takes a minute or two")
    parser.add_argument("--full", action="store_true", help="FLUX.1 at its real size, on a GPU")
    parser.add_argument("--tiny", action="store_true", help="the table of --full in small, on any machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.full or options.tiny:
            if options.full and not torch.cuda.is_available():
                parser.error("--full: there is no GPU here, expected one; --tiny runs on any machine")
            print_table(folder, options.tiny, options.steps, options.compile)
            return
        torch.set_num_threads(min(2, os.cpu_count() or 1))
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            trainings = {"": open_training(folder, False)} | (
                {" compiled": open_training(folder, True)} if options.compile else {}
            )
            contenders = {f"ours{kind}": make_our_step(training) for kind, training in trainings.items()}
            contenders |= {f"bare{kind}": make_bare_step(training) for kind, training in trainings.items()}
            contenders["diffusers"] = make_rival_step(trainings[""])
            results = compare(contenders, options.rounds, options.steps)
    tell(results)


if __name__ == "__main__":
    main()
