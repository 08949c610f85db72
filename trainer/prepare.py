"""Everything that a training needs before its first step: data, caches, the model with its LoRA, the optimizer."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from trainer import report
from trainer.cache import cache_latents, cache_texts
from trainer.checkpoint import Progress, Settings, load_state, read_progress, tidy_states
from trainer.config import Config
from trainer.data import Material, Sampler, make_sampler, split_validation
from trainer.dataset import TRIGGER_MARK, Dataset, Item, fill_trigger, read_dataset
from trainer.flow import resolve_shift
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.lora import add_lora
from trainer.model import TEXT_PARTS, Base, Vae, choose_device, find_base, fingerprint, load_transformer
from trainer.plan import Plan, make_plan
from trainer.rotate import TrainingLog
from trainer.sample import Painter, Prompts
from trainer.wishes import Wishes


@dataclass(frozen=True)
class Images:
    """What is learned from, what is held out, and what is mixed in."""

    own: list[Item]
    held_out: list[Item]
    ordinary: list[Item]

    @property
    def all(self) -> list[Item]:
        return [*self.own, *self.held_out, *self.ordinary]


@dataclass
class Training:
    """A training in progress."""

    config: Config
    folder: RunFolder
    plan: Plan
    stop: Stop
    accelerator: Accelerator
    base: Base
    images: Images
    material: Material
    sampler: Sampler
    shift: float  # of the noise levels
    model: Any  # the transformer, wrapped where there are several processes
    weights: dict[str, Tensor]  # of the LoRA: all that is learned
    optimizer: torch.optim.Optimizer
    painter: Painter
    settings: Settings  # what the mathematics depends on
    progress: Progress
    wishes: Wishes
    log: TrainingLog
    resumed_at: int | None = None  # step


def prepare(config: Config, folder: RunFolder, resume: Path | None, stop: Stop) -> Training:
    """Raises ValueError about whatever is wrong with the settings, the data, the model or the state, as early as it can."""
    accelerator, wishes = start_accelerator(config), Wishes(folder)
    if accelerator.is_main_process:
        wishes.take_away()  # an earlier attempt was asked
    dataset = read_dataset(config)
    plan = make_plan(config, len(dataset))
    images = split_images(config, dataset)
    base = find_base(config.model, accelerator.device)
    settings = find_settings(config, base, images)
    progress = read_progress(resume, settings) if resume else Progress()
    if progress.epoch > config.train.epochs:
        raise ValueError(f"train.epochs: got {config.train.epochs}, expected at least {progress.epoch}, which are done")
    warn_of_ignored(config, folder, base)
    if accelerator.is_main_process:
        tidy_states(folder)
    with accelerator.main_process_first():  # the others find the caches filled
        material, prompts, vae = make_material(config, folder, base, images)
    transformer = load_transformer(base)
    if config.train.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    weights = add_lora(transformer, config.lora, config.train.seed)
    optimizer = make_optimizer(config, weights)
    if resume:
        load_state(resume, weights, optimizer)
    return Training(
        config=config,
        folder=folder,
        plan=plan,
        stop=stop,
        accelerator=accelerator,
        base=base,
        images=images,
        material=material,
        sampler=make_sampler(config.data, len(images.own), len(images.ordinary), config.train.seed),
        shift=resolve_shift(config.train.shift, (config.data.resolution // 16) ** 2),
        model=accelerator.prepare_model(transformer),
        weights=weights,
        optimizer=optimizer,
        painter=Painter(base, vae, transformer, prompts, folder),
        settings=settings,
        progress=progress,
        wishes=wishes,
        log=TrainingLog(folder, config.log.rotate_mb, leads=accelerator.is_main_process),
        resumed_at=progress.step if resume else None,
    )


def start_accelerator(config: Config) -> Accelerator:
    """One process, or as many as `accelerate launch` has started. Raises ValueError when they cannot share a batch."""
    on_cpu = choose_device(config.model).type == "cpu"
    if not on_cpu:
        # a resumed training is the same bit for bit only where the GPU's sums are always taken in the same order
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
    if not accelerator.is_main_process:
        report.silence()
    size, processes = config.data.batch_size, accelerator.num_processes
    if size % processes:
        raise ValueError(f"data.batch_size: got {size} for {processes} processes, expected a multiple of {processes}")
    return accelerator


def split_images(config: Config, dataset: Dataset) -> Images:
    own, held_out = split_validation(dataset.images, config.data.validation_images)
    return Images(own, held_out, dataset.regularisation)


def find_settings(config: Config, base: Base, images: Images) -> Settings:
    """All that the numbers of a training depend on. A state is resumed only under the same, but for MAY_CHANGE."""
    train = config.train.model_dump(exclude={"gradient_checkpointing"})
    found: dict[str, Any] = {f"model.{part}": fingerprint(base.path / part) for part in ("transformer", "vae", *TEXT_PARTS)}
    found |= {
        "model.dtype": base.dtype_name,
        "model.max_sequence_length": base.max_sequence_length,
        "data.resolution": config.data.resolution,
        "data.repeats": config.data.repeats,
        "data.batch_size": config.data.batch_size,
        "data.regularisation_images": config.data.regularisation_images,
        "images and captions": [item.digest[:16] for item in images.own],
        "regularisation images and captions": [item.digest[:16] for item in images.ordinary],
    }
    found |= {f"lora.{name}": value for name, value in config.lora.model_dump().items()}
    return found | {f"train.{name}": value for name, value in train.items()}


def warn_of_ignored(config: Config, folder: RunFolder, base: Base) -> None:
    """Says which settings have no effect, so that nobody waits for one."""
    if config.name != folder.name:
        report.warn(f"name: {config.name} is ignored, a run is called after its folder: {folder.name}")
    if not base.is_guided and "guidance" in config.train.model_fields_set:
        report.warn(f"train.guidance: {config.train.guidance} is ignored, {base.name} takes no guidance")
    if not base.is_guided and config.sample.prompts and "guidance" in config.sample.model_fields_set:
        report.warn(f"sample.guidance: {config.sample.guidance} is ignored, {base.name} takes no guidance")
    if not config.trigger and any(TRIGGER_MARK in prompt for prompt in config.sample.prompts):
        report.warn(f"sample.prompts: {TRIGGER_MARK} is drawn as it is written, there is no trigger")
    if config.data.regularisation and not config.data.regularisation_images:
        report.warn(f"data.regularisation: {config.data.regularisation} is ignored, regularisation_images is 0")


def make_material(config: Config, folder: RunFolder, base: Base, images: Images) -> tuple[Material, Prompts, Vae]:
    """Encodes what is not in the cache yet: texts first, images second, each with nothing else in memory."""
    prompts = [fill_trigger(prompt, config.trigger) for prompt in config.sample.prompts]
    texts = cache_texts(base, folder.cache, [*(item.caption for item in images.all), *prompts])
    warn_of_cut(base, images, texts)
    vae = Vae(base)
    latents = cache_latents(base, vae, folder.cache, images.all, config.data.resolution)
    return Material(latents, texts), Prompts(config.sample, [texts[prompt] for prompt in prompts]), vae


def warn_of_cut(base: Base, images: Images, texts: dict[str, dict[str, Tensor]]) -> None:
    """Says of which captions the end is not learned."""
    limit = base.max_sequence_length
    cut = [item for item in images.all if texts[item.caption]["tokens"] > limit]
    if cut:
        first, longest = min(item.path for item in cut).name, max(int(texts[item.caption]["tokens"]) for item in cut)
        report.warn(
            f"captions cut at their end: {len(cut)}, first that of {first}; got up to {longest} tokens, "
            f"expected at most {limit} (model.max_sequence_length)"
        )


def make_optimizer(config: Config, weights: dict[str, Tensor]) -> torch.optim.Optimizer:
    """AdamW over the LoRA alone, its arithmetic in one pass over memory."""
    train = config.train
    return torch.optim.AdamW(
        weights.values(), lr=train.learning_rate, betas=(0.9, 0.99), weight_decay=train.weight_decay, fused=True
    )
