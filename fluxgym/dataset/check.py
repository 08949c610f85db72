"""Whether a form can be started: its settings, its images and captions, its name, and the plan that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fluxgym.dataset import form
from fluxgym.dataset.images import check_image, find_caption_problem, find_folder, is_uploaded, read_caption
from fluxgym.run.base_model import find_base_problem
from fluxgym.run.folders import PROJECT, list_runs
from trainer.config import Config
from trainer.dataset import DatasetError, Files, list_files, read_dataset
from trainer.plan import Plan, make_plan

SHOWN = 3  # problems of a data set that are told at once


@dataclass(frozen=True)
class Checked:
    """A form as it stands. It can be started when `problems` is empty."""

    problems: dict[str, str]  # by the value they belong to
    images: list[Path] = field(default_factory=list)
    captioned: int = 0
    lonely: list[Path] = field(default_factory=list)  # captions without an image
    config: Config | None = None
    plan: Plan | None = None


def check_form(values: form.Values) -> Checked:
    """What is wrong with a form as far as a quick look tells, and what it will do. `check_dataset` looks at every byte."""
    problems = form.find_problems(values)
    config = None if problems else form.to_config(values)
    if values["name"] in {folder.name for folder in list_runs()}:
        problems["name"] = f"got the name {values['name']}, which an earlier run has, expected another one"
    if values["model.base"] and "model.base" not in problems and (trouble := find_base_problem(values["model.base"])):
        problems["model.base"] = trouble
    folder = find_folder(values["data.folder"])
    files = list_files(folder) if folder else Files([], [])
    images = files.images
    captioned = sum(bool(read_caption(image)) and not find_caption_problem(image) for image in images)
    if trouble := _check_images(values["data.folder"], folder, files):
        problems["data.folder"] = trouble
    elif captioned < len(images) and not values["trigger"]:
        problems["trigger"] = (
            f"{len(images) - captioned} images have no caption, expected captions or a trigger word to use for them"
        )
    regularisation = values["data.regularisation"]
    if regularisation and not form.has_images(regularisation):
        problems["data.regularisation"] = f"got {regularisation!r}, expected a folder with images and captions"
    try:
        plan = make_plan(config, len(images)) if config and images else None
    except ValueError as error:
        problems["data.validation_images"], plan = str(error), None
    return Checked(problems, images, captioned, files.lonely, config, plan)


def check_dataset(config: Config) -> str:
    """What the trainer would say of its images, every byte read; empty when it would begin. Takes 0.1 s for a photo."""
    try:
        read_dataset(config)
    except DatasetError as error:
        return "; ".join(error.problems[:SHOWN]) + (
            f"; and {len(error.problems) - SHOWN} more" if error.problems[SHOWN:] else ""
        )
    return ""


def _check_images(given: str, folder: Path | None, files: Files) -> str:
    """One sentence about the first thing that is wrong with a folder of images; empty when nothing is."""
    if not given or (folder is None and is_uploaded(PROJECT / given)):
        return "No images yet: upload some, or choose a folder on this machine"
    if folder is None:
        return f"got the folder {given!r}, expected one that exists on this machine"
    if not files.images:
        return f"got no image in {given}, expected at least one"
    unreadable = [problem for image in files.images if (problem := find_problem(image) or find_caption_problem(image))]
    if unreadable:
        return unreadable[0] + _and_more(unreadable)
    if files.lonely:
        got = f"got the caption {files.lonely[0].name}{_and_more(files.lonely)} without an image"
        return f"{got}, expected an image of the same name beside it"
    return ""


def _and_more(things: Sequence[object]) -> str:
    return f" (and {len(things) - 1} more)" if len(things) > 1 else ""


def find_problem(image: Path) -> str:
    """Why an image cannot be opened; empty when it can. Looked at again only when the file changes."""
    try:
        return _find_problem(image, image.stat().st_mtime_ns)
    except OSError as error:
        return f"{image.name} cannot be read: {error.strerror}"


@lru_cache(maxsize=5000)
def _find_problem(image: Path, _modified: int) -> str:
    try:
        check_image(image.name, image)
    except ValueError as error:
        return str(error)
    return ""
