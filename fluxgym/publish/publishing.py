"""Publishing as a job: what is chosen, what is possible, and its start. The work is upload.py's."""

import re
from dataclasses import dataclass
from pathlib import Path

from fluxgym.job.begin import start_job
from fluxgym.job.folder import Job, find_job
from fluxgym.log.history import get_history
from fluxgym.models.token import TOKENS_PAGE, find_token
from fluxgym.run.folders import log_of
from fluxgym.run.lora_file import read_header
from fluxgym.view.board import find_column
from fluxgym.view.checkpoints import Checkpoint, list_loras, place_of
from fluxgym.view.samples import Picture, grid
from fluxgym.view.samples import place_of as place_of_sample
from trainer.folder import RunFolder

KIND = "publish"
NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
MOST_SAMPLES, USUAL_SAMPLES = 12, 6


class NotPublished(ValueError):
    """A wish that cannot be fulfilled, with what to do."""


@dataclass(frozen=True)
class Wish:
    """What is to be published, and where."""

    lora: str  # its place in the run's folder
    repository: str  # name, or owner/name; without an owner it is the token's own
    is_public: bool = False
    samples: tuple[str, ...] = ()  # their places in the run's folder
    adds: bool = False  # to what is in the repository already


def find_publishing(folder: RunFolder) -> Job:
    """The job of a run, whether there is one or not."""
    return find_job(KIND, str(folder.path.resolve()))


def start_publishing(folder: RunFolder, wish: Wish) -> Job:
    """Raises NotPublished, JobIsActive, OSError."""
    check(folder, wish)
    command = ["-m", "fluxgym.publish.upload", str(folder.path.resolve()), "--lora", wish.lora, "--to", wish.repository]
    command += ["--public"] * wish.is_public + ["--add"] * wish.adds
    for sample in wish.samples:
        command += ["--sample", sample]
    return start_job(KIND, str(folder.path.resolve()), command, f"Publishing {folder.title}")


def check(folder: RunFolder, wish: Wish) -> None:
    """Raises NotPublished."""
    if not NAME.fullmatch(wish.repository) or ".." in wish.repository or "--" in wish.repository:
        expected = "expected a name such as my-lora, or owner/my-lora, of letters, digits, '-', '_' and '.'"
        raise NotPublished(f"got the repository {wish.repository[:100]!r}, {expected}")
    lora = next((each for each in list_published(folder) if place_of(folder, each.path) == wish.lora), None)
    if lora is None:
        raise NotPublished(f"got the LoRA {wish.lora[:100]!r}, which this run does not have")
    if problem := read_header(lora.path).problem:
        raise NotPublished(f"{wish.lora} is not whole: {problem}")
    if unknown := [place for place in wish.samples if place not in {place_of_sample(folder, each) for each in _all(folder)}]:
        raise NotPublished(f"got the sample {unknown[0][:100]!r}, which this run does not have")
    if find_token() is None:
        raise NotPublished(
            f"there is no access token here: make one that can write at {TOKENS_PAGE}, and store it on the Models page or "
            "with: python -m fluxgym models token"
        )


def list_published(folder: RunFolder) -> list[Checkpoint]:
    """The LoRA files that can be published, the final one first."""
    loras = list_loras(folder, get_history(log_of(folder)))
    return sorted(loras, key=lambda lora: not lora.is_final)


def suggest_samples(folder: RunFolder, lora: Checkpoint) -> list[tuple[str, str]]:
    """(place, prompt) of a picture for each prompt that this LoRA drew; the final one stands for the last that was drawn."""
    drawn = grid(folder)
    trained = [column for column in drawn.columns if column.number]
    column = find_column(lora, drawn.columns) or (trained[-1] if lora.is_final and trained else None)
    pictures = [(row.pictures.get(column), row.prompt) for row in drawn.rows] if column else []
    found = [(place_of_sample(folder, picture), prompt) for picture, prompt in pictures if picture]
    return found[:MOST_SAMPLES]


def find_prompt(folder: RunFolder, place: str) -> str:
    """With what a sample was drawn."""
    for row in grid(folder).rows:
        if any(place_of_sample(folder, picture) == place for picture in row.pictures.values()):
            return row.prompt
    return ""


def find_sample(folder: RunFolder, place: str) -> Path | None:
    return next((picture.path for picture in _all(folder) if place_of_sample(folder, picture) == place), None)


def _all(folder: RunFolder) -> list[Picture]:
    return [picture for row in grid(folder).rows for picture in row.pictures.values()]
