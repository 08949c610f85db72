"""How much of the disk a training will take, and how much there is."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from fluxgym.models.download import bytes_to_download
from fluxgym.preflight.estimate import Estimate
from fluxgym.run.base_model import hub_cache
from fluxgym.run.folders import outputs_root
from trainer.buckets import Size
from trainer.config import Config
from trainer.plan import Plan, is_due

PIXEL = 16 * 2 / 64  # bytes of a latent for a pixel: 16 channels of 2 bytes at an eighth of each side
TEXT = 512 * 4096 * 2  # bytes of a caption for T5-XXL at 512 tokens
PICTURE = 1.6  # bytes of a PNG for a pixel


@dataclass(frozen=True)
class Need:
    """Bytes by what they are for, and what is free where. A download goes to the Hub's cache, all else to the outputs."""

    loras: int
    states: int
    cache: int
    samples: int
    download: int | None  # None: nobody knows
    free: int
    free_for_download: int
    is_one_disk: bool

    @property
    def outputs(self) -> int:
        return self.loras + self.states + self.cache + self.samples

    @property
    def total(self) -> int:
        return self.outputs + (self.download or 0)

    @property
    def missing(self) -> int:
        """Bytes that are not there; 0 where all fits."""
        download = self.download or 0
        if self.is_one_disk:
            return max(0, self.outputs + download - self.free)
        return max(0, self.outputs - self.free, download - self.free_for_download)


def find_need(config: Config, plan: Plan, sizes: list[Size], prompts: int, estimate: Estimate | None) -> Need:
    """`sizes` in px of all images as they are learned. LoRA files and states count only where the estimate is there."""
    lora, state = (estimate.lora_bytes, estimate.state_bytes) if estimate else (0, 0)
    forms = 2 if config.save.kohya else 1
    outputs, cache = _there(outputs_root()), _there(hub_cache())
    picture = config.sample.width * config.sample.height * PICTURE
    return Need(
        loras=lora * forms * (plan.lora_files + 1),
        states=(lora + state) * count_states(config, plan),
        cache=round(sum(width * height for width, height in sizes) * PIXEL) + TEXT * len(sizes),
        samples=round(picture * plan.sample_rounds * prompts),
        download=bytes_to_download(config.model.base),
        free=shutil.disk_usage(outputs).free,
        free_for_download=shutil.disk_usage(cache).free,
        is_one_disk=outputs.stat().st_dev == cache.stat().st_dev,
    )


def count_states(config: Config, plan: Plan) -> int:
    """How many states lie there at most at once: those that are kept, and the one that is being written."""
    every = config.save.state_every_epochs
    made = sum(is_due(epoch, every) for epoch in range(1, config.train.epochs + 1)) + 1
    return made if not config.save.keep_states else min(made, config.save.keep_states + 1)


def _there(path: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
