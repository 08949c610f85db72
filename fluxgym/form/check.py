"""Whether a form can be started: its settings, its images and captions, its name, and the plan that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fluxgym.dataset.images import check_image, expand, find_caption_problem, find_folder, is_uploaded, read_caption
from fluxgym.dataset.looks import find_size
from fluxgym.form import form
from fluxgym.run.base_model import find_base_problem
from fluxgym.run.folders import PROJECT, has_run
from trainer.buckets import UNIT, Shape, Size
from trainer.config import Config
from trainer.layouts import METADATA, read_layout
from trainer.listing import DatasetError, Found, list_files
from trainer.plan import Plan, list_entries, make_plan


@dataclass(frozen=True)
class Checked:
    """A form as it stands. It can be started when `problems` is empty."""

    problems: dict[str, str]  # by the value they belong to
    images: list[Path] = field(default_factory=list)
    captioned: int = 0
    lonely: list[Path] = field(default_factory=list)  # captions without an image
    config: Config | None = None
    plan: Plan | None = None
    sizes: list[Size] = field(default_factory=list)  # px at which images are learned, each image at each of its sizes


def check_form(values: form.Values) -> Checked:
    """What is wrong with a form as far as a quick look tells, and what it will do. fluxgym/preflight looks at every byte."""
    problems = form.find_problems(values)
    config = None if problems else form.to_config(values)
    if has_run(values["name"]):
        problems["name"] = f"got the name {values['name']}, which an earlier run has, expected another one"
    if values["model.base"] and "model.base" not in problems and (trouble := find_base_problem(values["model.base"])):
        problems["model.base"] = trouble
    folder = find_folder(values["data.folder"])
    found, troubles = _find_images(folder or _find_description(values["data.folder"]))
    images, lonely = [each.path for each in found], list_files(folder).lonely if folder else []
    captioned = sum(bool(each.caption) for each in found)
    if trouble := next(iter(troubles), "") or _check_images(values["data.folder"], folder, found, lonely):
        problems["data.folder"] = trouble
    elif captioned < len(images) and not values["trigger"]:
        problems["trigger"] = (
            f"{len(images) - captioned} images have no caption, expected captions or a trigger word to use for them"
        )
    regularisation = values["data.regularisation"]
    if regularisation and not _find_images(find_folder(regularisation) or _find_description(regularisation))[0]:
        problems["data.regularisation"] = f"got {regularisation!r}, expected a folder with images and captions"
    plan, sizes, shapes = None, [], _list_shapes(found) if config else []
    if config and shapes:
        try:
            plan = make_plan(config, shapes)
            sizes = [entry.bucket for shape in shapes for entry in list_entries(config.data, shape)]
        except ValueError as error:
            problems["data.validation_images"] = str(error)
    return Checked(problems, images, captioned, lonely, config, plan, sizes)


def find_shapes(given: str) -> list[Shape]:
    """The shapes of the images of a data set, without those that have something wrong."""
    return _list_shapes(_find_images(find_folder(given) or _find_description(given))[0])


def _find_images(place: Path | None) -> tuple[list[Found], list[str]]:
    """The images of a data set in any layout, and what is wrong with one that is no plain folder."""
    if place is None:
        return [], []
    images = list_files(place).images if place.is_dir() else []
    if images and not (place / METADATA).is_file():  # a caption that cannot be read is told of beside its image
        return [Found(path, path.name, "" if find_caption_problem(path) else read_caption(path)) for path in images], []
    try:
        layout = read_layout(place)
    except DatasetError as error:
        return [], error.problems
    return layout.found, layout.problems


def _find_description(given: str) -> Path | None:
    """The dataset.toml or metadata.jsonl that a setting names."""
    try:
        path = PROJECT / expand(given)
        return path if path.suffix.lower() in (".toml", ".jsonl") and path.is_file() else None
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None


def _check_images(given: str, folder: Path | None, found: list[Found], lonely: list[Path]) -> str:
    """One sentence about the first thing that is wrong with a folder of images; empty when nothing is."""
    if not given or (folder is None and is_uploaded(PROJECT / given)):
        return "No images yet: upload some, or choose a folder on this machine"
    if folder is None and not _find_description(given):
        return f"got the folder {given!r}, expected one that exists on this machine"
    if not found:
        return f"got no image in {given}, expected at least one"
    unreadable = [problem for each in found if (problem := find_problem(each.path) or find_caption_problem(each.path))]
    if unreadable:
        return unreadable[0] + _and_more(unreadable)
    if lonely:
        got = f"got the caption {lonely[0].name}{_and_more(lonely)} without an image"
        return f"{got}, expected an image of the same name beside it"
    return ""


def _list_shapes(found: Sequence[Found]) -> list[Shape]:
    """What a plan needs, of the images that `find_problem` finds nothing wrong with."""
    sizes = ((each, find_size(each.path)) for each in found if not find_problem(each.path))
    return [Shape(size, each.repeats, each.resolutions) for each, size in sizes if size]


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
    size = find_size(image)
    if size and min(size) < UNIT:
        return f"{image.name}: got an image of {size[0]}x{size[1]} px, expected at least {UNIT} px on each side"
    return ""
