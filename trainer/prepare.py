"""Everything that a training needs before its first step: data, caches, the model with its LoRA, the optimizer."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.utils.environment import check_cuda_p2p_ib_support
from torch import Tensor

from trainer import report
from trainer.average import Ema, averaged
from trainer.cache import Crew
from trainer.checkpoint import Progress, Settings, load_state, read_progress, read_settings, tidy_states
from trainer.config import Config
from trainer.data import Material
from trainer.dataset import TRIGGER_MARK, read_dataset
from trainer.engine import Around, Engine, build_engine, resolve
from trainer.families import find_base
from trainer.family import Family
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.kernels import set_up
from trainer.lora import RankDropout
from trainer.lora_start import check_lora, describe_choice
from trainer.material import Images, make_material, split_images, tell_images
from trainer.model import choose_device
from trainer.optimizers import make_optimizer
from trainer.plan import Plan, make_plan
from trainer.prompts import Picture
from trainer.rotate import TrainingLog
from trainer.sample import Painter, find_pictures
from trainer.speed import make_speed_lines
from trainer.storage import tidy
from trainer.tally import Tally
from trainer.unused import warn_of_unused
from trainer.w8a8 import check_device
from trainer.wishes import Wishes

WITHOUT_EFFECT = ("gradient_checkpointing", "accumulation")  # settings of [train] that no number depends on
TOLD_OTHERWISE = ("folder", "regularisation", "validation_images", "masks", "buckets")  # of [data]: by what comes of them
LONGEST_WAIT = timedelta(hours=12)  # of the other processes, while the first one draws, measures or saves


@dataclass
class Training:
    """A training in progress."""

    config: Config
    folder: RunFolder
    plan: Plan
    stop: Stop
    accelerator: Accelerator
    family: Family
    images: Images
    material: Material
    engine: Engine
    dropout: RankDropout
    optimizer: torch.optim.Optimizer
    ema: Ema | None  # the weights' moving average, where one is kept
    painter: Painter
    settings: Settings  # what the mathematics depends on
    progress: Progress
    wishes: Wishes
    log: TrainingLog
    tally: Tally
    resumed_at: int | None = None  # step

    @property
    def model(self) -> Any:
        """The transformer."""
        return self.engine.model

    @property
    def weights(self) -> dict[str, Tensor]:
        """Of the LoRA: all that is learned."""
        return self.engine.weights

    def averaged(self) -> AbstractContextManager[None]:
        """What is drawn, measured and saved has the average of the weights, where there is one, for as long as this runs."""
        return averaged(self.weights, self.optimizer, self.ema)


def prepare(config: Config, folder: RunFolder, resume: Path | None, stop: Stop) -> Training:
    """Raises ValueError about whatever is wrong with the settings, the data, the model or the state, as early as it can."""
    accelerator, wishes = start_accelerator(config), Wishes(folder)
    if accelerator.is_main_process:
        wishes.take_away()  # an earlier attempt was asked
        tidy_states(folder)  # first: the state to resume from may be one that was being replaced
    dataset = read_dataset(config)
    plan = make_plan(config, dataset.shapes)
    images = split_images(config, dataset)
    family, pictures = find_base(config.model, accelerator.device), find_pictures(config)
    if config.model.matmul_8bit:
        check_device(config.model.quantise, accelerator.device)
    set_up(config.speed, accelerator.device, family.base.dtype)
    then, settings = read_settings(resume), find_settings(config, family, images)
    settings |= resolve(config, then)
    progress = read_progress(resume, settings) if resume else Progress()
    if progress.epoch > config.train.epochs:
        raise ValueError(f"train.epochs: got {config.train.epochs}, expected at least {progress.epoch}, which are done")
    warn_of_ignored(config, folder, family, pictures)
    start = check_lora(config.lora, family, folder.path, is_resumed=resume is not None)
    tell_images(config, dataset, images.feed)
    crew = Crew(accelerator.process_index, accelerator.num_processes, accelerator.wait_for_everyone)
    material, sketches, vae = make_material(config, folder, family, images, pictures, crew)
    if accelerator.is_main_process:
        tidy(folder.shared_cache())
    around = Around(plan.total_steps, accelerator.num_processes, folder.path.absolute().parent, then)
    engine = build_engine(config, family, list(images.feed.list_all(1)), material, around)
    settings |= engine.settings
    start.fill(engine.weights)
    optimizer = make_optimizer(config.train, engine.weights.values())
    ema = Ema(engine.weights, config.train.ema) if config.train.ema else None
    if resume:
        load_state(resume, engine.weights, optimizer, ema.shadow if ema else None)
    speed = make_speed_lines(config, family, engine.arrangement.fit)
    return Training(
        config=config,
        folder=folder,
        plan=plan,
        stop=stop,
        accelerator=accelerator,
        family=family,
        images=images,
        material=material,
        engine=engine,
        dropout=RankDropout(engine.model, config.lora, config.train.seed),
        optimizer=optimizer,
        ema=ema,
        painter=Painter(family, vae, engine.model, sketches, folder),
        settings=settings,
        progress=progress,
        wishes=wishes,
        tally=Tally(report.StepLines(plan.total_steps), progress.losses, plan.steps_per_epoch, speed),
        log=TrainingLog(folder, config.log.rotate_mb, leads=accelerator.is_main_process),
        resumed_at=progress.step if resume else None,
    )


def start_accelerator(config: Config) -> Accelerator:
    """One process, or as many as `accelerate launch` has started. Raises ValueError when they cannot share a batch."""
    on_cpu = choose_device(config.model).type == "cpu"
    waiting = InitProcessGroupKwargs(timeout=LONGEST_WAIT)
    if "WORLD_SIZE" in os.environ and not on_cpu and not check_cuda_p2p_ib_support():  # cards that cannot talk to each other
        os.environ |= {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[waiting])
    if not accelerator.is_main_process:
        report.silence()
    size, processes = config.data.batch_size, accelerator.num_processes
    if size % processes:
        raise ValueError(tell_indivisible(size, processes))
    return accelerator


def tell_indivisible(size: int, processes: int) -> str:
    """Why a batch cannot be shared, and what can be done. One image is learned from by one GPU."""
    cure = f"a multiple of {processes}, as each GPU takes the same share of a batch; choose one, or train on fewer GPUs"
    return f"data.batch_size: got {size} for {processes} processes, expected {cure}"


def find_settings(config: Config, family: Family, images: Images) -> Settings:
    """All that the numbers of a training depend on. A state is resumed only under the same, but for MAY_CHANGE."""
    train = config.train.model_dump(exclude=set(WITHOUT_EFFECT))
    parts = ("transformer", "vae", *family.text_parts)
    found: dict[str, Any] = {f"model.{part}": family.fingerprint(part) for part in parts}
    found |= {
        "model.dtype": family.base.dtype_name,
        "model.matmul_8bit": config.model.matmul_8bit,
        "model.max_sequence_length": family.base.max_sequence_length,
        "images and captions": [item.digest[:16] for item in images.own],
        "regularisation images and captions": [item.digest[:16] for item in images.ordinary],
    }
    found |= {f"data.{name}": value for name, value in config.data.model_dump(exclude=set(TOLD_OTHERWISE)).items()}
    found |= images.feed.describe()
    found |= {f"lora.{name}": value for name, value in describe_choice(config.lora).items()}
    return found | {f"train.{name}": value for name, value in train.items()}


def warn_of_ignored(config: Config, folder: RunFolder, family: Family, pictures: Sequence[Picture]) -> None:
    """Says which settings have no effect, so that nobody waits for one."""
    base = family.base
    if config.name != folder.name:
        report.warn(f"name: {config.name} is ignored, a run is called after its folder: {folder.name}")
    if not base.is_guided and "guidance" in config.train.model_fields_set:
        report.warn(f"train.guidance: {config.train.guidance} is ignored, {base.name} takes no guidance")
    if not family.draws_with_guidance and pictures and "guidance" in config.sample.model_fields_set:
        report.warn(f"sample.guidance: {config.sample.guidance} is ignored, {base.name} takes no guidance")
    if not config.trigger and any(TRIGGER_MARK in picture.prompt for picture in pictures):
        report.warn(f"sample.prompts: {TRIGGER_MARK} is drawn as it is written, there is no trigger")
    if any(picture.negative and family.find_cfg(picture) <= 1 for picture in pictures):
        report.warn("sample.prompts: --n is ignored where --l is not above 1, without which there is no negative prompt")
    if config.data.regularisation and not config.data.regularisation_images:
        report.warn(f"data.regularisation: {config.data.regularisation} is ignored, regularisation_images is 0")
    warn_of_unused(config.train)
