"""The files of a data set's folder, found by name and not opened yet. Imports no torch.

An image is `cat.jpg`; beside it `cat.txt`, `cat.TXT` or `cat.caption` is its caption and `cat-masklabel.png` its mask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from trainer.unusable import Unusable

IMAGES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")
CAPTION = ".txt"
CAPTIONS = (*map("".join, product(".", "tT", "xX", "tT")), ".caption")  # the same in any case, .txt first
LONGEST = 2**16  # bytes of a caption: what is longer was put there by mistake
MOST_REPEATS = 100_000
MASK = "-masklabel"  # end of the stem of a mask that lies beside its image, as OneTrainer calls them


class DatasetError(Unusable):
    """A folder that nothing can be learned from as it is. `problems` holds one sentence for each file that is wrong."""

    def __init__(self, folder: str, problems: list[str]):
        super().__init__(f"the data set {folder} cannot be used", problems)
        self.folder = folder


@dataclass(frozen=True)
class Files:
    """What a data set's folder holds, by name. Hidden files, such as the `._cat.jpg` of macOS, are none of it."""

    images: list[Path]  # whether each can be read is another question
    lonely: list[Path]  # captions without an image


@dataclass(frozen=True)
class Found:
    """One image as the layout of its folder describes it."""

    path: Path
    name: str  # its name where people read it: within the data set's folder
    caption: str = ""  # as it was written; empty: there is none
    repeats: int | None = None  # how often it is shown in an epoch; unset: as the settings say
    resolutions: tuple[int, ...] = ()  # px; none: those of the settings
    mask: Path | None = None
    manner: Mapping[str, Any] = field(default_factory=dict)  # how it is shown, where the layout has its own word on it
    source: Path | None = None  # the file of its caption, where the layout names another than find_caption does
    is_captioned: bool = True  # in words of its own, not its folder's name nor what is said of all images of a kind


@dataclass
class Layout:
    """All images of a data set, and what is to be said about them."""

    found: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # why nothing can be learned from it as it is
    notes: list[str] = field(default_factory=list)  # what is ignored, and what else a person should know


def list_files(folder: Path) -> Files:
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    images = [path for path in files if path.suffix.lower() in IMAGES and not path.stem.endswith(MASK)]
    stems = {path.stem for path in images}
    return Files(images, [path for path in files if path.suffix in CAPTIONS and path.stem not in stems])


def find_caption(image: Path) -> Path:
    """Where an image's caption lies, or is to lie where it has none."""
    there = (path for suffix in CAPTIONS if (path := image.with_suffix(suffix)).is_file())
    return next(there, image.with_suffix(CAPTION))


def find_mask(image: Path) -> Path | None:
    """The mask that lies beside an image."""
    path = image.with_name(f"{image.stem}{MASK}.png")
    return path if path.is_file() else None


def read_caption(path: Path) -> str:
    """A caption on one line; empty when there is none. Raises ValueError when it cannot be read."""
    if not path.is_file():
        return ""
    try:
        if (size := path.stat().st_size) > LONGEST:
            raise ValueError(f"its caption {path.name} has {size:,} bytes, expected at most {LONGEST:,}")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"its caption {path.name} cannot be read, expected UTF-8 text ({error})") from error
    if "\0" in text:
        raise ValueError(f"its caption {path.name} holds zero bytes, expected UTF-8 text")
    return " ".join(text.split())
