"""kohya's dataset.toml: [general], [[datasets]], [[datasets.subsets]], as in docs/config_README-en.md of sd-scripts.

What stands nearer to the images counts before what stands further out. What is not done is told by name. Imports no torch."""

import dataclasses
import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.buckets import UNIT
from trainer.listing import MOST_REPEATS, DatasetError, Found, Layout, find_caption, find_mask, list_files, read_caption

DEFAULT_EXTENSION = ".caption"


@dataclass(frozen=True)
class Kind:
    """What a value must be."""

    words: str
    fits: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return _is_whole(value) and 64 <= value <= 2048


TEXT = Kind("text", lambda value: isinstance(value, str))
SUFFIX = Kind(
    "one such as '.txt'", lambda value: isinstance(value, str) and re.fullmatch(r"\.[^\\/\0]{1,20}", value) is not None
)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
COUNT = Kind("a whole number from 0 up to 100000", lambda value: _is_whole(value) and 0 <= value <= MOST_REPEATS)
SHARE = Kind(
    "a number from 0 up to 1", lambda value: not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= 1
)
SIDES = Kind(
    "one or two whole numbers of px from 64 up to 2048",
    lambda value: _is_side(value) or (isinstance(value, list) and len(value) in (1, 2) and all(map(_is_side, value))),
)
KINDS: Mapping[str, Kind] = {  # what is read from it
    "image_dir": TEXT,
    "num_repeats": COUNT,
    "caption_extension": SUFFIX,
    "class_tokens": TEXT,
    "keep_tokens": COUNT,
    "shuffle_caption": FLAG,
    "flip_aug": FLAG,
    "caption_prefix": TEXT,
    "caption_suffix": TEXT,
    "caption_dropout_rate": SHARE,
    "is_reg": FLAG,
    "metadata_file": TEXT,
    "conditioning_data_dir": TEXT,
    "resolution": SIDES,
}
MANNER = {  # what it calls the settings of how an image is shown
    "shuffle_caption": "shuffle_tags",
    "keep_tokens": "keep_tags",
    "flip_aug": "flip",
    "caption_dropout_rate": "caption_dropout",
}
ELSEWHERE = {"batch_size": "data.batch_size", "enable_bucket": "data.buckets"}  # what is set in config.toml instead
NOT_DONE = (
    *("min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale", "color_aug", "random_crop"),
    *("face_crop_aug_range", "token_warmup_min", "token_warmup_step", "caption_separator", "secondary_separator"),
    *("keep_tokens_separator", "enable_wildcard", "caption_dropout_every_n_epochs", "caption_tag_dropout_rate"),
    *("cache_info", "alpha_mask", "network_multiplier", "validation_split", "validation_seed", "custom_attributes"),
    *("resize_interpolation", "skip_image_resolution", "prior_loss_weight"),
)
Values = dict[str, Any]


def read_toml(file: Path, is_regularisation: bool) -> Layout:
    """The images of its subsets: of the ordinary ones, or of those that are marked is_reg. Raises DatasetError.

    Where regularisation images are wanted and no subset is marked, all are."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(str(file), [f"cannot be read, expected TOML in UTF-8 ({error})"]) from error
    layout = Layout()
    subsets = list(_list_subsets(said, layout))
    layout.notes = [f"{file.name}: {note}" for note in layout.notes]
    marked = [subset for subset in subsets if subset.get("is_reg")]
    if is_regularisation:
        wanted = marked or subsets
    else:
        wanted = [subset for subset in subsets if not subset.get("is_reg")]
        if marked:
            layout.notes.append(f"{file.name}: subsets with is_reg are used when data.regularisation names the file, too")
    if not wanted and not layout.problems:
        layout.problems.append("got no subset with images, expected [[datasets]] with [[datasets.subsets]] and image_dir")
    for subset in wanted:
        _add_subset(layout, file, subset)
    layout.found = list(_merge(layout.found))
    return layout


def _list_subsets(said: Values, layout: Layout) -> Iterator[Values]:
    """The settings of each subset, with those that it takes from its data set and from [general]."""
    ignored: set[str] = set()
    tables, general = said.get("datasets", []), said.get("general", {})
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in [*tables, general]):
        layout.problems.append("got datasets or general that is no table, expected [general] and [[datasets]]")
        return
    ignored |= said.keys() - {"general", "datasets"}
    for number, table in enumerate(tables, 1):
        subsets = table.get("subsets", [])
        if not isinstance(subsets, list) or not all(isinstance(subset, dict) for subset in subsets):
            layout.problems.append(f"datasets, {number}: got subsets that are no tables, expected [[datasets.subsets]]")
            continue
        outer = {key: value for key, value in table.items() if key != "subsets"}
        for subset in subsets:
            values = general | outer | subset
            ignored |= values.keys() - KINDS.keys()
            yield {key: value for key, value in values.items() if key in KINDS}
    layout.notes += _describe_ignored(ignored)


def _describe_ignored(keys: set[str]) -> Iterator[str]:
    """One sentence for each kind of thing that is not done."""
    for key in sorted(keys & ELSEWHERE.keys()):
        yield f"{key} is ignored, {ELSEWHERE[key]} in the settings counts"
    if known := sorted(keys & set(NOT_DONE)):
        yield f"{', '.join(known)}: ignored, this trainer has nothing of the kind"
    for key in sorted(keys - ELSEWHERE.keys() - set(NOT_DONE)):
        near = difflib.get_close_matches(key, [*KINDS, *ELSEWHERE, *NOT_DONE], n=1)
        yield f"{key[:80]} is ignored, nothing is called so" + (f"; did you mean {near[0]}?" if near else "")


def _add_subset(layout: Layout, file: Path, subset: Values) -> None:
    problems = [f"{key}: got {str(value)[:80]!r}, expected {words}" for key, (value, words) in _find_wrong(subset).items()]
    try:
        folder = _find_folder(file, subset, "image_dir")
        masks = _list_masks(_find_folder(file, subset, "conditioning_data_dir")) if "conditioning_data_dir" in subset else None
        texts = _read_metadata_file(file, subset) if "metadata_file" in subset else {}
    except ValueError as error:
        problems.append(str(error))
    if problems:
        layout.problems += [f"{str(subset.get('image_dir', 'a subset'))[:80]}: {problem}" for problem in problems]
        return
    repeats, resolutions = subset.get("num_repeats", 1), _parse_resolution(subset.get("resolution", []))
    manner = {ours: subset[theirs] for theirs, ours in MANNER.items() if theirs in subset}
    images = list_files(folder).images
    if not images:
        layout.problems.append(f"got no image in {folder}, expected at least one")
    if not repeats:
        layout.notes.append(f"{folder.name}: its images are not used, num_repeats is 0")
    for path in images if repeats else []:
        name = f"{folder.name}/{path.name}"
        try:
            text = _find_text(path, subset, texts)
        except ValueError as error:
            layout.problems.append(f"{name}: {error}")
            continue
        mask = find_mask(path) if masks is None else masks.get(path.stem)
        found = Found(path, name, _complete(text, subset), repeats, resolutions, mask, manner, _find_source(path, subset))
        layout.found.append(dataclasses.replace(found, is_captioned=bool(text)))


def _find_wrong(subset: Values) -> dict[str, tuple[Any, str]]:
    """The values that cannot be used, each with what is expected."""
    return {key: (value, KINDS[key].words) for key, value in subset.items() if not KINDS[key].fits(value)}


def _find_source(image: Path, subset: Values) -> Path | None:
    """The file of an image's caption, None where it is the one that find_caption finds: without a caption_extension kohya would
    pass over a .txt that nobody meant to be passed over."""
    path = image.with_suffix(subset.get("caption_extension", DEFAULT_EXTENSION))
    return path if "caption_extension" in subset or read_caption(path) else None


def _find_text(image: Path, subset: Values, texts: Mapping[str, str]) -> str:
    """An image's own caption: from its file or the metadata file."""
    text = read_caption(_find_source(image, subset) or find_caption(image))
    return text or texts.get(str(image.resolve()), "") or texts.get(image.stem, "")


def _complete(text: str, subset: Values) -> str:
    """A caption, or the class tokens where there is none, with what is set before and behind it."""
    parts = (subset.get("caption_prefix"), text or subset.get("class_tokens"), subset.get("caption_suffix"))
    return " ".join(" ".join(part.split()) for part in parts if part) if parts[1] else ""


def _find_folder(file: Path, subset: Values, key: str) -> Path:
    """A folder that it names. Raises ValueError."""
    found = _find(file, str(subset.get(key, "")), Path.is_dir)
    if found is None:
        raise ValueError(f"{key}: got {str(subset.get(key, ''))[:200]!r}, expected a folder that exists")
    return found


def _find(file: Path, name: str, is_right: Callable[[Path], bool]) -> Path | None:
    """What a name leads to: from where the trainer is started, as in kohya, or from the file itself."""
    try:
        places = (Path(name).expanduser(), file.parent / name) if name else ()
        return next((place for place in places if is_right(place)), None)
    except (OSError, ValueError, RuntimeError):  # a name that is too long or holds a zero byte; a home that nobody has
        return None


def _list_masks(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_files(folder).images}


def _parse_resolution(said: Any) -> tuple[int, ...]:
    """512, or [512, 768], of which the area counts."""
    sides = said if isinstance(said, list) else [said]
    return (max(64, round(math.sqrt(sides[0] * sides[-1])) // UNIT * UNIT),) if sides else ()


def _read_metadata_file(file: Path, subset: Values) -> dict[str, str]:
    """Captions by the image's path and by its stem: kohya's tools write either. Raises ValueError."""
    name = str(subset["metadata_file"])
    path = _find(file, name, Path.is_file)
    if path is None:
        raise ValueError(f"metadata_file: got {name[:200]!r}, expected a file that exists")
    try:
        said = dict(json.loads(path.read_text(encoding="utf-8-sig")))
        rows = {key: [row[part] for part in ("caption", "tags") if row.get(part)] for key, row in said.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"metadata_file: got {name[:200]!r}, expected JSON with a caption or tags by image ({error})"
        ) from error
    texts = {key: " ".join(", ".join(map(str, parts)).split()) for key, parts in rows.items()}
    return {form: text for key, text in texts.items() for form in (_resolve(key), Path(key).stem)}


def _resolve(key: str) -> str:
    return str(Path(key).resolve()) if "\0" not in key else key


def _merge(found: list[Found]) -> Iterator[Found]:
    """The same images in several data sets, which is how kohya says several resolutions, become one."""
    kept: dict[object, Found] = {}
    for each in found:
        alike = (each.path.resolve(), each.caption, each.repeats, each.mask, tuple(sorted(each.manner.items())))
        before = kept.get(alike)
        sides = {*before.resolutions, *each.resolutions} if before else {*each.resolutions}
        kept[alike] = dataclasses.replace(each, resolutions=tuple(sorted(sides)))
    yield from kept.values()
