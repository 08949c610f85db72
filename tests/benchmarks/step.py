"""What our loop costs: seconds per step of it and of bare forward + backward + optimizer, on the same model and batch.

Run: `python -m tests.benchmarks.step [--rounds 30] [--steps 5]`; flux-mini on the CPU, the demo's settings. The two take turns,
so that whatever else the machine does falls on both; the medians of the rounds are compared, in wall time and in CPU time."""

# ruff: noqa: E402  the libraries are told to be quiet before they are imported
from trainer.report import quiet_libraries

quiet_libraries()

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from trainer import mini
from trainer.config import load_config
from trainer.flow import draw_noise
from trainer.flux1 import make_img_ids
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.loop import count_step, listen, next_batch, take_step
from trainer.prepare import Training, prepare
from trainer.report import StepLines


def loop_step(training: Training, lines: StepLines) -> None:
    """One turn of the loop in train(), with its look for wishes before and its line in the log after it."""
    assert not listen(training).stop
    outcome, progress = take_step(training), training.progress
    progress.step, progress.position = progress.step + 1, progress.position + 1
    training.tally.note(progress.step, outcome)
    progress.position %= training.plan.steps_per_epoch


def make_bare_step(training: Training) -> Callable[[], None]:
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


def measure(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Seconds per step: on the clock, and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind in a round")
    options = parser.parse_args()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    config = load_config(mini.DEMO)
    loop, bare = [], []
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        training = prepare(config, RunFolder(Path(folder)), None, Stop())
        lines = StepLines(training.plan.total_steps)
        bare_step = make_bare_step(training)
        for number in range(options.rounds + 1):
            results = measure(lambda: loop_step(training, lines), options.steps), measure(bare_step, options.steps)
            if number:  # the first round warms up
                loop.append(results[0])
                bare.append(results[1])
    for name, column in (("wall", 0), ("CPU", 1)):
        ours, theirs = median(row[column] for row in loop), median(row[column] for row in bare)
        ratios = median(one[column] / other[column] for one, other in zip(loop, bare, strict=True))
        print(f"{name}: loop {ours * 1e3:.1f} ms, bare {theirs * 1e3:.1f} ms a step, ratio {ratios:.3f} (goal: up to 1.05)")


if __name__ == "__main__":
    main()
