"""The images and captions of a data set: read whole, checked and named after their content. Imports no torch.

Where they lie and what says so is layouts.py's. Every problem is found at once, with its file's name."""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from trainer.buckets import UNIT, Shape, Size
from trainer.config import Config, Data
from trainer.layouts import read_layout
from trainer.listing import CAPTION, IMAGES, MASK, DatasetError, Found, Layout
from trainer.picture import DAMAGED, Looked, check_image, open_file

TRIGGER_MARK = "[trigger]"  # stands for the trigger word in captions and prompts
ALPHA = "alpha"  # data.masks: the see-through parts of the images themselves


@dataclass(frozen=True)
class Manner:
    """How an image is shown."""

    shuffle_tags: bool = False
    keep_tags: int = 0
    flip: bool = False
    caption_dropout: float = 0.0


def manner_of(data: Data) -> Manner:
    return Manner(data.shuffle_tags, data.keep_tags, data.flip, data.caption_dropout)


@dataclass(frozen=True)
class Item:
    """One image and what it shows."""

    path: Path
    caption: str
    image_digest: str  # of the file's bytes
    shape: Shape
    manner: Manner = Manner()
    mask: Path | None = None  # the image itself where its see-through parts are the mask
    mask_digest: str = ""
    is_animated: bool = False  # its first frame is what is shown

    @property
    def digest(self) -> str:
        """Names the content, image and caption and mask, whatever the files are called."""
        parts = (self.image_digest, self.caption, *([self.mask_digest] if self.mask else []))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """What one training learns from, each list in order of content. Its length is the number of images of one's own."""

    images: list[Item]
    regularisation: list[Item]
    notes: list[str] = field(default_factory=list)  # what a person should know about it

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shapes(self) -> list[Shape]:
        return [item.shape for item in self.images]


def read_dataset(config: Config) -> Dataset:
    """The images that the settings name. Raises DatasetError, for the first folder with problems, with all its problems."""
    data = config.data
    place = Path(data.folder)
    layout = read_layout(place)
    notes = list(layout.notes)
    masks = _list_masks(Path(data.masks)) if data.masks not in (None, ALPHA) else {}
    layout.found = [_with_mask(found, masks, data) for found in layout.found]
    images = _read_items(layout, place, config.trigger, manner_of(data))
    if any(item.shape.repeats is not None for item in images) and "repeats" in data.model_fields_set:
        notes.append(f"data.repeats: {data.repeats} is ignored, {place} says itself how often each image is shown")
    if any(item.shape.resolutions for item in images) and "resolution" in data.model_fields_set:
        notes.append(f"data.resolution: {data.resolution} is ignored where {place} has a resolution of its own")
    if animated := sorted(item.path.name for item in images if item.is_animated):
        others = f" and {len(animated) - 1} more" if len(animated) > 1 else ""
        notes.append(f"{animated[0]}{others}: animated, the first frame is what is learned")
    without = [item for item in images if not item.mask]
    if data.masks and without:
        first = min(item.path.name for item in without)
        notes.append(f"data.masks: {len(without)} of {len(images)} images have no mask and count fully, first {first}")
    wanted = data.regularisation if data.regularisation_images else None
    # the trigger must not be taught with ordinary images: these need captions of their own
    return Dataset(images, read_folder(Path(wanted), trigger="", is_regularisation=True) if wanted else [], notes)


def read_folder(place: Path, trigger: str, is_regularisation: bool = False) -> list[Item]:
    """Images with captions; an image without one is captioned with the trigger. Raises DatasetError with every problem."""
    return _read_items(read_layout(place, is_regularisation), place, trigger, Manner())


def open_mask(item: Item) -> Image.Image:
    """The mask of an image in grey: white what counts, black what does not."""
    assert item.mask, "only of an image that has one"
    with open_file(item.mask) as image:
        turned = ImageOps.exif_transpose(image)
        return turned.convert("RGBA").getchannel("A") if item.mask == item.path else turned.convert("L")


def crop(image: Image.Image, size: Size) -> Image.Image:
    """The middle of the image, scaled to cover exactly this size; nothing is stretched."""
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def fill_trigger(text: str, trigger: str) -> str:
    """The text with the trigger word where [trigger] stands; as it is when there is no trigger."""
    return text.replace(TRIGGER_MARK, trigger) if trigger else text


# ---- reading -----------------------------------------------------------------------------------------------------------
def _read_items(layout: Layout, place: Path, trigger: str, manner: Manner) -> list[Item]:
    items, problems = [], list(layout.problems)
    for found in layout.found:
        try:
            items.append(_read_item(found, trigger, manner))
        except DAMAGED as error:
            problems.append(f"{found.name}: {error}")
    if problems:
        raise DatasetError(str(place), problems)
    return sorted(items, key=lambda item: item.digest)


def _read_item(found: Found, trigger: str, manner: Manner) -> Item:
    looked = _check_image(found.path)
    size = looked.size
    if min(size) < UNIT:
        raise ValueError(f"got an image of {size[0]}x{size[1]} px, expected at least {UNIT} px on each side")
    caption = fill_trigger(found.caption, trigger) or trigger
    if not caption:
        raise ValueError(f"no caption and no trigger, expected a caption in {found.path.with_suffix(CAPTION).name}")
    if TRIGGER_MARK in caption:
        raise ValueError(f"the caption says {TRIGGER_MARK}, expected a trigger in the settings")
    return Item(
        path=found.path,
        caption=caption,
        image_digest=_digest(found.path),
        shape=Shape(size, found.repeats, found.resolutions),
        manner=dataclasses.replace(manner, **found.manner),
        mask=found.mask,
        mask_digest=_check_mask(found.mask, size) if found.mask else "",
        is_animated=looked.is_animated,
    )


def _check_image(path: Path) -> Looked:
    """An image as a person sees it. Raises ValueError unless it can be read to its last pixel."""
    try:
        return check_image(path)
    except DAMAGED as error:
        raise ValueError(f"got a file of {path.stat().st_size} bytes that is no whole image, expected one ({error})") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- masks -------------------------------------------------------------------------------------------------------------
def _list_masks(folder: Path) -> dict[str, Path]:
    """The masks of a folder by the stem of their image. Raises DatasetError."""
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "nothing"
        raise DatasetError(str(folder), [f"data.masks: got {kind} at {folder}, expected a folder of masks, or {ALPHA!r}"])
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGES and not path.name.startswith("."))
    by_end = sorted(files, key=lambda path: path.stem.endswith(MASK))  # in a folder of both, cat-masklabel.png is cat's
    return {path.stem.removesuffix(MASK): path for path in by_end}


def _with_mask(found: Found, masks: dict[str, Path], data: Data) -> Found:
    """What the settings name counts before what lies beside the image."""
    named = found.path if data.masks == ALPHA and _is_see_through(found.path) else masks.get(found.path.stem)
    if named and data.masks != ALPHA and named.samefile(found.path):  # the folder of the images themselves
        named = None
    return dataclasses.replace(found, mask=named or found.mask)


def _is_see_through(path: Path) -> bool:
    """Whether an image has an alpha channel; one that cannot be opened is told of when it is read."""
    try:
        with open_file(path) as image:
            return image.has_transparency_data
    except DAMAGED:
        return False


def _check_mask(path: Path, size: Size) -> str:
    """The digest of a mask. Raises ValueError when it cannot be read or has another shape than its image."""
    try:
        width, height = _check_image(path).size
    except ValueError as error:
        raise ValueError(f"its mask {path.name}: {error}") from error
    if abs(width * size[1] - height * size[0]) > max(size) * max(width / size[0], 1) * 2:  # two px of rounding
        raise ValueError(
            f"its mask {path.name}: got {width}x{height} px for an image of {size[0]}x{size[1]}, expected the same shape"
        )
    return _digest(path)
