"""What one of several processes has of a training: its share of a batch, on its own GPU.

Memory is each process's own: that of a batch of 4 on two GPUs is that of a batch of 2 on each."""

from collections.abc import Iterator

from fluxgym.preflight.estimate import Question, ask, find_free
from fluxgym.preflight.report import ERROR, Finding
from fluxgym.run.gpu import list_gpus
from fluxgym.run.processes import count_named
from trainer.buckets import Size
from trainer.config import Config


def share_of(config: Config, processes: int) -> Config:
    """The settings as one of so many processes has them. A batch that they cannot share is told of by `look_at_share`."""
    share = max(1, config.data.batch_size // processes)
    ordinary = min(config.data.regularisation_images, share - 1)
    data = config.data.model_copy(update={"batch_size": share, "regularisation_images": ordinary})
    return config.model_copy(update={"data": data})


def look_at_share(config: Config, processes: int) -> Iterator[Finding]:
    """Whether they can share a batch."""
    if config.data.batch_size % processes:
        told = f"got a batch of {config.data.batch_size} for {processes} GPUs, which share it"
        yield Finding(ERROR, "data.batch_size", told, f"Set a multiple of {processes}, or train on fewer GPUs.")


def ask_for_place(config: Config, size: Size | None, place: str) -> Question:
    """The question for a place of this machine, as Care.place has it: of several GPUs for the one with the least memory."""
    named = [gpu for gpu in list_gpus() if str(gpu.index) in [number.strip() for number in place.split(",")]]
    least = min(named, key=lambda gpu: find_free(gpu) or 0, default=None)
    return ask(share_of(config, count_named(place)), size, [least] if least else None)
