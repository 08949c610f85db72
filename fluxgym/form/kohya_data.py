"""What kohya's dataset.toml says, as settings here: those of its one folder, or the file itself where there are several."""

import math
import tomllib
from collections.abc import Iterator
from typing import Any

from fluxgym.form.imported import Imported
from fluxgym.form.kohya_table import NOTHING
from fluxgym.form.sources import Source
from trainer.buckets import UNIT
from trainer.kohya import KINDS, NOT_DONE

PLAIN = {  # of a subset: setting, their default where it is not ours
    "image_dir": ("data.folder", None),
    "num_repeats": ("data.repeats", 1),
    "class_tokens": ("trigger", None),
    "keep_tokens": ("data.keep_tags", None),
    "shuffle_caption": ("data.shuffle_tags", None),
    "flip_aug": ("data.flip", None),
    "caption_dropout_rate": ("data.caption_dropout", None),
    "enable_bucket": ("data.buckets", None),
}
READ = {*PLAIN, "resolution", "batch_size", "is_reg", "caption_extension"}
BATCH = "batch_size"
EXTENSIONS = (".txt", ".caption")  # of captions that are found without being told


def read_dataset(source: Source, out: Imported) -> int | None:
    """Takes what it says; returns its batch size, if it has one."""
    try:
        subsets = list(_list_subsets(tomllib.loads(source.text)))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        out.leave(source.name, f"cannot be read as a dataset.toml: {error}")
        return None
    own = [subset for subset in subsets if not subset.get("is_reg")]
    if not own:
        out.leave(source.name, "got no subset with images, expected [[datasets]] with [[datasets.subsets]] and image_dir")
        return None
    _take_what_holds_for_all(source.name, own, out)
    if len(own) == 1 and _is_plain(own[0]):
        _take_plain(source.name, own[0], out)
    elif source.path:
        out.take(source.name, "data.folder", str(source.path), "the trainer reads the file itself")
    else:
        several = "several folders" if len(own) > 1 else "settings that a folder alone does not have"
        out.leave(source.name, f"has {several}; lay it on this machine and name it in step 2 as the folder")
    _tell_regularisation(source.name, [subset for subset in subsets if subset.get("is_reg")], out)
    for key in sorted({key for subset in subsets for key in subset} - READ - (KINDS.keys() - set(NOT_DONE))):
        out.leave(f"{source.name}: {key}", NOTHING if key in NOT_DONE else "nothing is called so")
    sizes = {subset[BATCH] for subset in own if isinstance(subset.get(BATCH), int)}
    if len(sizes) > 1:
        out.leave(f"{source.name}: {BATCH}", f"got {sorted(sizes)} for its folders, expected one for all; the largest is taken")
    return max(sizes, default=None)


def parse_sides(said: Any) -> int:
    """512, "512,768" or [512, 768], of which the area counts. Raises ValueError."""
    sides = said.split(",") if isinstance(said, str) else said if isinstance(said, list) else [said]
    numbers = [int(side) for side in sides]
    if not 1 <= len(numbers) <= 2 or min(numbers) < 1:
        raise ValueError(f"got {said!r}, expected one or two whole numbers of px")
    return round(math.sqrt(numbers[0] * numbers[-1]) / UNIT) * UNIT


def _list_subsets(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What stands nearer to the images counts before what stands further out."""
    for table in said.get("datasets", []):
        outer = {key: value for key, value in table.items() if key != "subsets"}
        for subset in table.get("subsets", []):
            yield said.get("general", {}) | outer | subset


def _is_plain(subset: dict[str, Any]) -> bool:
    is_done = subset.keys() & KINDS.keys() <= READ
    return is_done and subset.get("caption_extension", ".txt").lower() in EXTENSIONS


def _take_what_holds_for_all(name: str, own: list[dict[str, Any]], out: Imported) -> None:
    for key, read in (("resolution", parse_sides), ("enable_bucket", bool)):
        said = list(dict.fromkeys(str(subset[key]) for subset in own if key in subset))
        try:
            values = {read(subset[key]) for subset in own if key in subset}
        except (ValueError, TypeError) as error:
            out.leave(f"{name}: {key} {', '.join(said)}", str(error))
            continue
        if values:
            setting, value = ("data.resolution", max(values)) if key == "resolution" else ("data.buckets", any(values))
            out.take(f"{name}: {key} {', '.join(said)}", setting, value)


def _take_plain(name: str, subset: dict[str, Any], out: Imported) -> None:
    for key, (setting, default) in PLAIN.items():
        value = subset.get(key, default)
        if value is not None and setting != "data.buckets":
            out.take(f"{name}: {key}", setting, value, "" if key in subset else "their default")


def _tell_regularisation(name: str, marked: list[dict[str, Any]], out: Imported) -> None:
    if not marked:
        return
    folder = str(marked[0].get("image_dir", ""))
    out.take(f"{name}: is_reg", "data.regularisation", folder)
    why = "theirs take turns with one's own, here some are in each batch: set regularisation_images and a larger batch_size"
    out.leave(f"{name}: is_reg", why)
