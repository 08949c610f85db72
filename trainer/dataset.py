"""The images and captions of a data set's folders: found, checked and named after their content. Imports no torch.

An image is `cat.jpg`, its caption `cat.txt` or `cat.TXT` beside it. Every problem is found at once, with its file's name."""

import hashlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from PIL import Image, ImageOps

from trainer.config import Config

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CAPTION = ".txt"
CAPTIONS = tuple(map("".join, product(".", "tT", "xX", "tT")))  # the same in any case, .txt first
TRIGGER_MARK = "[trigger]"  # stands for the trigger word in captions and prompts
DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what pillow raises, by the format of the file


class DatasetError(ValueError):
    """A folder that nothing can be learned from as it is. `problems` holds one sentence for each file that is wrong."""

    def __init__(self, folder: str, problems: list[str]):
        super().__init__(f"the data set {folder} cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.folder, self.problems = folder, problems


@dataclass(frozen=True)
class Item:
    """One image and what it shows."""

    path: Path
    caption: str
    image_digest: str  # of the file's bytes

    @property
    def digest(self) -> str:
        """Names the content, image and caption, whatever the files are called."""
        return hashlib.sha256(f"{self.image_digest}\n{self.caption}".encode()).hexdigest()


@dataclass(frozen=True)
class Files:
    """What a data set's folder holds, by name. Hidden files, such as the `._cat.jpg` of macOS, are none of it."""

    images: list[Path]  # whether each can be read is another question
    lonely: list[Path]  # captions without an image


@dataclass(frozen=True)
class Dataset:
    """What one training learns from, each list in order of content. Its length is the number of images of one's own."""

    images: list[Item]
    regularisation: list[Item]

    def __len__(self) -> int:
        return len(self.images)


def read_dataset(config: Config) -> Dataset:
    """The images that the settings name. Raises DatasetError, for the first folder with problems, with all its problems."""
    images = read_folder(Path(config.data.folder), config.trigger)
    wanted = config.data.regularisation if config.data.regularisation_images else None
    # the trigger must not be taught with ordinary images: these need captions of their own
    return Dataset(images, read_folder(Path(wanted), trigger="") if wanted else [])


def list_files(folder: Path) -> Files:
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    images = [path for path in files if path.suffix.lower() in IMAGES]
    stems = {path.stem for path in images}
    return Files(images, [path for path in files if path.suffix in CAPTIONS and path.stem not in stems])


def find_caption(image: Path) -> Path:
    """Where an image's caption lies, or is to lie where it has none."""
    there = (path for suffix in CAPTIONS if (path := image.with_suffix(suffix)).is_file())
    return next(there, image.with_suffix(CAPTION))


def read_folder(folder: Path, trigger: str) -> list[Item]:
    """Images with captions; an image without one is captioned with the trigger. Raises DatasetError with every problem."""
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "nothing"
        raise DatasetError(str(folder), [f"got {kind} at {folder}, expected a folder of images with captions"])
    files = list_files(folder)
    problems = [] if files.images else [f"got no image in {folder}, expected at least one ({', '.join(IMAGES)})"]
    problems += [
        f"{path.name}: a caption without an image, expected an image called {path.stem} beside it" for path in files.lonely
    ]
    items = []
    for path in files.images:
        try:
            items.append(_read_item(path, trigger))
        except DAMAGED as error:
            problems.append(f"{path.name}: {error}")
    if problems:
        raise DatasetError(str(folder), problems)
    return sorted(items, key=lambda item: item.digest)


def open_image(path: Path) -> Image.Image:
    """The image as a person sees it, in RGB: turned as its EXIF says, see-through parts on white."""
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
        if not turned.has_transparency_data:
            return turned.convert("RGB")
        rgba = turned.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")


def crop_square(image: Image.Image, side: int) -> Image.Image:
    """The largest square from the middle, resized to side x side px; nothing is stretched."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def fill_trigger(text: str, trigger: str) -> str:
    """The text with the trigger word where [trigger] stands; as it is when there is no trigger."""
    return text.replace(TRIGGER_MARK, trigger) if trigger else text


def _read_item(path: Path, trigger: str) -> Item:
    data = path.read_bytes()
    _check_image(path)
    caption = fill_trigger(_read_caption(find_caption(path)), trigger) or trigger
    if not caption:
        raise ValueError(f"no caption and no trigger, expected a caption in {path.with_suffix(CAPTION).name}")
    if TRIGGER_MARK in caption:
        raise ValueError(f"the caption says {TRIGGER_MARK}, expected a trigger in the settings")
    return Item(path, caption, hashlib.sha256(data).hexdigest())


def _check_image(path: Path) -> None:
    """Raises ValueError unless the image can be read to its last pixel."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (64, 64))  # JPEG alone: an eighth of the size is read, eight times as fast
            image.load()
    except DAMAGED as error:
        raise ValueError(f"got a file of {path.stat().st_size} bytes that is no whole image, expected one ({error})") from error


def _read_caption(path: Path) -> str:
    """The caption on one line; empty when there is none."""
    if not path.is_file():
        return ""
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise ValueError(f"its caption {path.name} cannot be read, expected UTF-8 text ({error})") from error
