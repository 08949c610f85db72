"""Writes the gradients of a training's first batch: `[accelerate launch ...] -m tests.trainer.gradients CONFIG FILE`."""

import sys
from pathlib import Path

from trainer.report import quiet_libraries

quiet_libraries()
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from trainer.config import load_config  # noqa: E402
from trainer.flow import draw_noise  # noqa: E402
from trainer.folder import RunFolder  # noqa: E402
from trainer.interrupt import Stop  # noqa: E402
from trainer.loop import learn_in_memory, next_batch  # noqa: E402
from trainer.prepare import Training, prepare  # noqa: E402


def open_training(config: Path) -> Training:
    return prepare(load_config(config), RunFolder(config.parent), None, Stop())


def find_gradients(training: Training) -> dict[str, Tensor]:
    """The gradient of each weight, and the loss."""
    for name, weight in training.weights.items():  # B is zero at first, and A then has no gradient
        weight.data.add_(0.01 if ".lora_B." in name else 0)
    batch = next_batch(training)
    numbers = learn_in_memory(training, batch, draw_noise(training.family, batch, training.config.train, 1))
    return {"loss": numbers[:1], **{name: weight.grad for name, weight in training.weights.items() if weight.grad is not None}}


if __name__ == "__main__":
    training = open_training(Path(sys.argv[1]))
    found = find_gradients(training)
    if training.accelerator.is_main_process:
        save_file(found, sys.argv[2])
