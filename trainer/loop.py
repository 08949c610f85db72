"""The training loop. `train` is the order of events, `take_step` one step; everything else is done once in a while."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from trainer.arrange import is_out_of_memory
from trainer.checkpoint import Content, prune_states, save_state
from trainer.config import Config
from trainer.disk import make_folder
from trainer.flow import Batch, Noise, compute_loss, draw_noise, send
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.kernels import is_no_deterministic_kernel, loosen, same_sums
from trainer.lora_file import About, Style, describe_lora, describe_training, export_lora, fold, read_epoch
from trainer.model import DTYPES
from trainer.optimizers import told_rate
from trainer.plan import is_due
from trainer.prepare import Training, prepare
from trainer.report import say, short, warn
from trainer.schedules import comparable_rate, schedule
from trainer.tally import Asked, Outcome
from trainer.validate import validate


def train(config: Config, folder: RunFolder, resume: Path | None, stop: Stop) -> bool:
    """Learns the LoRA that the settings ask for. True when it is finished, False when it was stopped and can be resumed."""
    training = prepare(config, folder, resume, stop)
    progress = training.progress
    announce(training, resume)
    keep_last_lora(training)
    stop.at_once = False  # from here on there is something to save

    if not progress.step:  # how it was before anything was learned
        validate(training)
        sample(training, "e000000")

    for epoch in range(progress.epoch, config.train.epochs):
        say(f"Epoch {epoch + 1}/{config.train.epochs}")
        training.tally.lines.go_on()
        while progress.position < training.plan.steps_per_epoch and not (asked := listen(training)).stop:
            if asked.save:
                save_now(training)
            if asked.sample:
                sample_now(training)
            else:
                sample_between_epochs(training)
            outcome = take_step(training)
            progress.step, progress.position = progress.step + 1, progress.position + 1
            training.tally.note(progress.step, outcome)
            training.log.turn()

        if not must_stop(training):
            finish_epoch(training)
        if must_stop(training):
            save_and_stop(training)
            return False

    save_lora(training, folder.lora)
    end_wishes(training)
    say("Training finished")
    return True


def take_step(training: Training) -> Outcome:
    """Learns from one batch. Nothing here waits for a GPU: what came out is read later (tally.py)."""
    config, step = training.config, training.progress.step
    batch = next_batch(training)
    random = draw_noise(training.family, batch, config.train, step)
    numbers = learn_in_memory(training, batch, random)
    norm = torch.nn.utils.clip_grad_norm_(training.weights.values(), config.train.max_grad_norm or math.inf)
    numbers[0] += 0 * norm  # a gradient that is no number would be learned, and saved, before the next loss shows it
    for group in training.optimizer.param_groups:
        group["lr"] = schedule(config.train, step, training.plan.total_steps)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    if training.ema:
        training.ema.update(training.weights, step + 1)
    return Outcome(numbers, told_rate(training.optimizer), training.engine.measure.remember(batch))


def learn_in_memory(training: Training, batch: Batch, random: Noise) -> Tensor:
    """`learn`, arranged in a smaller way each time that memory runs out, until it is done. The numbers are the same.

    Each of several processes does so for its own share, while the others wait for its sum."""
    while True:
        try:
            with same_sums():
                numbers = learn(training, batch, random)
            break
        except RuntimeError as error:
            if not (is_out_of_memory(error) or is_no_deterministic_kernel(error)):
                raise
            failed = error.with_traceback(None)  # which holds all that is in memory
        training.optimizer.zero_grad(set_to_none=True)
        if is_out_of_memory(failed):
            training.engine.arrangement.shrink(". ".join(str(failed).split(". ")[:2]))  # and how much was wanted
        else:
            loosen(failed)
    if training.accelerator.num_processes > 1:
        add_up(training.accelerator, [*(weight.grad for weight in training.weights.values()), numbers])
    return numbers


def learn(training: Training, batch: Batch, random: Noise) -> Tensor:
    """Leaves in the LoRA's weights the gradients of the batch's mean loss. (4,) that loss, and what is asked for.

    Each process does so for its share of the images, in as many pieces as are asked for; the sums are those of one piece."""
    config, accelerator = training.config, training.accelerator
    numbers = send(torch.tensor([0.0, *look(training)]), accelerator.device)
    for rows in find_pieces(
        len(batch), accelerator.process_index, accelerator.num_processes, training.engine.arrangement.fit.pieces
    ):
        part, noise = batch.take(rows, accelerator.device), random.take(rows, accelerator.device)
        with training.dropout.active(training.progress.step, len(batch), rows, accelerator.device):
            mean = compute_loss(training.family, training.model, part, noise, config.train) * (len(part) / len(batch))
            mean.backward()
        numbers[0] += mean.detach()
    return numbers


def find_pieces(images: int, process: int, processes: int, pieces: int) -> list[slice]:
    """The rows of a batch that a process takes one after the other: every so many of those that are its own."""
    every = processes * min(pieces, len(range(process, images, processes)))
    return [slice(start, None, every) for start in range(process, every, processes)]


def add_up(accelerator: Accelerator, tensors: list[Tensor]) -> None:
    """Makes each of these tensors its sum over all processes, in one message."""
    flat = accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduction="sum")
    for tensor, summed in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(summed.view_as(tensor))


def next_batch(training: Training) -> Batch:
    """The images of the step to come, own ones first: a function of (seed, epoch, position)."""
    progress = training.progress
    return training.material.make_batch(training.images.feed.list_views(progress.epoch, progress.position))


# ---- once in a while -------------------------------------------------------------------------------------------------
@contextmanager
def aside(training: Training) -> Iterator[None]:
    """Around all that is done between two steps: after the last one is known to be a number, and without counting as one."""
    training.tally.read_all()
    yield
    training.tally.lines.go_on()


def announce(training: Training, resume: Path | None) -> None:
    config, plan, accelerator = training.config, training.plan, training.accelerator
    parameters = sum(weight.numel() for weight in training.weights.values())
    epochs = f"{config.train.epochs} epochs of {plan.steps_per_epoch} steps"
    dtype, kind = training.family.base.dtype_name, training.engine.arrangement.fit.quantise
    base = f"{dtype} base" if kind == "none" else f"{kind} base computed in {dtype}"
    shared = f" in {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    say(
        f"Training: {plan.total_steps} steps, {epochs}, batch {config.data.batch_size}, "
        f"{parameters:,} LoRA parameters, {base} on {accelerator.device.type}{shared}"
    )
    say(f"Learning: {describe_learning(config)}")
    if resume:
        say(f"Resuming: step {training.progress.step} of {plan.total_steps} from {resume}")


def describe_learning(config: Config) -> str:
    """With the number by which trainings of any rank and alpha compare."""
    train, lora, rate = config.train, config.lora, comparable_rate(config)
    strength = f"alpha {lora.alpha:g} / rank {lora.rank}"
    strength = f"learning rate {short(train.learning_rate)} * {strength} = {short(rate)}" if rate else strength
    average = f", average {train.ema:g}" if train.ema else ""
    return f"{train.optimizer}, {strength}, {train.schedule}, {train.timesteps}, {train.loss} loss{average}"


def keep_last_lora(training: Training) -> None:
    """A completed training that goes on for more epochs: its LoRA is from now on that of the epoch after which it ended."""
    folder = training.folder
    if not training.accelerator.is_main_process or not folder.lora.is_file():
        return
    epoch = read_epoch(folder.lora)
    if epoch in (None, training.config.train.epochs) or training.resumed_at is None:
        return
    kept = folder.epoch_lora(epoch)
    if not kept.exists():
        folder.lora.replace(kept)
        if folder.kohya_copy(folder.lora).is_file():
            folder.kohya_copy(folder.lora).replace(folder.kohya_copy(kept))
        say(f"Keeping the LoRA of epoch {epoch}: {kept}")


def finish_epoch(training: Training) -> None:
    """What an epoch ends with. When a stop comes in between, all of it is done again after the resume."""
    config, progress = training.config, training.progress
    epoch = progress.epoch + 1
    validate(training)
    if is_due(epoch, config.save.every_epochs):
        save_lora(training, training.folder.epoch_lora(epoch))
    if is_due(epoch, config.sample.every_epochs):
        sample(training, f"e{epoch:06d}")
    elif is_due(progress.step, config.sample.every_steps):
        sample(training, f"{progress.step:06d}")
    if must_stop(training):
        return
    progress.epoch, progress.position = epoch, 0
    every = config.save.state_every_epochs
    if is_due(epoch, every) or (every and epoch == config.train.epochs):  # the last one: for more epochs than these
        save(training)


def sample(training: Training, mark: str) -> None:
    """Draws the prompts, in the first process alone; the others wait."""
    with aside(training):
        if training.accelerator.is_main_process:
            draw(training, mark)
        training.accelerator.wait_for_everyone()


def draw(training: Training, mark: str) -> None:
    with training.averaged():
        training.painter.draw_round(mark, training.progress.step, lambda: bool(training.stop))


def sample_between_epochs(training: Training) -> None:
    """Draws the prompts after every so many steps; after a resume only what is not there yet."""
    progress, mark = training.progress, f"{training.progress.step:06d}"
    if not progress.position or not is_due(progress.step, training.config.sample.every_steps):
        return
    if progress.step == training.resumed_at:
        (is_there,) = broadcast_object_list([training.painter.has_round(mark)])  # others may look when the first has drawn
        if is_there:
            return
    sample(training, mark)


def save_lora(training: Training, path: Path) -> None:
    with aside(training):
        if training.accelerator.is_main_process:
            write_lora(training, path)
        training.accelerator.wait_for_everyone()


def write_lora(training: Training, path: Path) -> None:
    config, step = training.config, training.progress.step
    about = About(
        name=training.folder.name,
        trigger=config.trigger,
        resolution=max(config.data.resolutions),
        rank=config.lora.rank,
        architecture=training.family.architecture,
        base_version=training.family.base_version,
        epoch=step // training.plan.steps_per_epoch,
        step=step,
    )
    images, family, dtype = training.images, type(training.family), DTYPES[config.save.dtype]
    said = describe_lora(about) | describe_training(config, training.plan, len(images.own), len(images.ordinary))
    with training.averaged():
        layers = fold(training.weights, config.lora)
        export_lora(path, layers, Style(family, "diffusers", dtype), said)
    say(f"Saving LoRA: {path}")
    if config.save.kohya:
        copy = training.folder.kohya_copy(path)
        make_folder(training.folder.kohya)
        export_lora(copy, layers, Style(family, "kohya", dtype), said)
        say(f"Saving a copy in kohya's form: {copy}")


def save(training: Training) -> Path:
    """Writes the state of this moment, then clears away the oldest ones."""
    path = find_place(training)
    with aside(training):
        if training.accelerator.is_main_process:
            write_state(training, path)
            prune_states(training.folder, training.config.save.keep_states)
        training.accelerator.wait_for_everyone()
    return path


def find_place(training: Training) -> Path:
    """Where the state of this moment belongs."""
    folder, progress = training.folder, training.progress
    at_end_of_epoch = progress.step and not progress.position
    return folder.epoch_state(progress.epoch) if at_end_of_epoch else folder.step_state(progress.step)


def write_state(training: Training, path: Path, is_asked_for: bool = False) -> None:
    average = training.ema.shadow if training.ema else None
    content = Content(training.progress, training.settings, training.weights, training.optimizer, average)
    save_state(path, content, is_asked_for)
    say(f"Saving checkpoint: {path}")


def save_and_stop(training: Training) -> None:
    path, progress = save(training), training.progress
    end_wishes(training)
    say(f"Training stopped at step {progress.step} of {training.plan.total_steps}: resume from {path}")


# ---- when somebody asks ----------------------------------------------------------------------------------------------
def look(training: Training) -> list[bool]:
    """Whether a stop, a save and samples are wanted, as far as this process knows.

    A wish before anything was learned waits for the first step."""
    is_heard = training.accelerator.is_main_process and training.progress.step > 0
    return [bool(training.stop), is_heard and training.wishes.save, is_heard and training.wishes.sample]


def listen(training: Training) -> Asked:
    """The same in all processes: all leave, save and draw after the same step. Several tell each other with each step."""
    return Asked(*look(training)) if training.accelerator.num_processes == 1 else training.tally.asked


def must_stop(training: Training) -> bool:
    """Whether any of the processes was asked to stop, at the cost of waiting for all of them."""
    asked = torch.tensor(float(bool(training.stop)), device=training.accelerator.device)
    return bool(training.accelerator.reduce(asked, reduction="sum"))


def end_wishes(training: Training) -> None:
    """A wish at the very end is not granted: what is learned is saved anyway."""
    if training.accelerator.is_main_process:
        if training.wishes.save or training.wishes.sample:
            say("What was asked for in between is left out: the training ends here, and saves what it learned")
        training.wishes.take_away()


def save_now(training: Training) -> None:
    """Writes a state and a LoRA that stay until a person deletes them."""
    with aside(training):
        if training.accelerator.is_main_process:
            with told_if_not_written():
                write_lora(training, training.folder.step_lora(training.progress.step))
            with told_if_not_written():
                write_state(training, find_place(training), is_asked_for=True)
            training.wishes.take_away(training.folder.save_now)
        training.accelerator.wait_for_everyone()
    training.tally.grant(save=training.progress.step)


def sample_now(training: Training) -> None:
    """Draws the prompts, as is done after every so many steps."""
    step = training.progress.step
    with aside(training):
        if training.accelerator.is_main_process:
            if not training.painter.sketches:
                warn("samples were asked for, but sample.prompts is empty: there is nothing to draw")
            with told_if_not_written():
                draw(training, f"{step:06d}")
            training.wishes.take_away(training.folder.sample_now)
        training.accelerator.wait_for_everyone()
    training.tally.grant(sample=step)


@contextmanager
def told_if_not_written() -> Iterator[None]:
    """Around what a person asked for in between: for want of room it is not there, but no training ends by it."""
    try:
        yield
    except OSError as error:
        warn(f"{error}; it was asked for in between, so the training goes on without it")
