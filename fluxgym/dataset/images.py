"""The images and captions of a data set on disk: uploaded and listed. What lies in the folder is the truth."""

import codecs
import io
import re
import unicodedata
from pathlib import Path, PurePath

from PIL import Image, UnidentifiedImageError

from fluxgym.run.folders import PROJECT, outputs_root
from trainer.dataset import DAMAGED
from trainer.disk import write_whole
from trainer.listing import CAPTION, IMAGES, find_caption, list_files

CAPTION_LIMIT = 10_000  # characters


def datasets_root() -> Path:
    """Where uploaded images go: beside outputs/, so that FLUXGYM_OUTPUTS moves both to the same volume."""
    return outputs_root().parent / "datasets"


def expand(folder: str) -> str:
    """The folder with ~ and ~name as the home folders that they mean."""
    try:
        return str(Path(folder).expanduser()) if folder.startswith("~") else folder
    except RuntimeError:  # nobody has this name
        return folder


def find_folder(folder: str) -> Path | None:
    """The folder that a setting names, from the project's folder or ~; None when there is none."""
    try:
        path = PROJECT / expand(folder)
        return path if folder and path.is_dir() else None
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None


def is_uploaded(folder: Path) -> bool:
    """Whether a folder is one of those that uploads made; images are removed from these only."""
    return folder.resolve().is_relative_to(datasets_root().resolve())


def list_images(folder: Path) -> list[Path]:
    """The images of a data set by name; whether each can be read is another question."""
    return list_files(folder).images


def save_upload(folder: Path, name: str, data: bytes) -> None:
    """Puts an uploaded image or caption into a data set, under a safe name. Raises ValueError when it is neither."""
    safe = safe_name(name)
    if safe.suffix.lower() == CAPTION:
        data = _decode(name, data)[:CAPTION_LIMIT].encode()
    elif safe.suffix.lower() in IMAGES:
        check_image(name, io.BytesIO(data), whole=True)
    else:
        raise ValueError(f"got {name!r}, expected an image ({', '.join(IMAGES)}) or a caption ({CAPTION})")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / safe, data)


def safe_name(name: str) -> PurePath:
    """A name that is plain on every system, the same for an image and its caption: 'Ma photo!.PNG' -> 'Ma_photo.png'."""
    last = PurePath(name.replace("\\", "/"))
    plain = unicodedata.normalize("NFKC", last.stem)
    stem = re.sub(r"[^\w.-]+", "_", plain).strip("._")[:80] or "image"
    return PurePath(stem + last.suffix.lower())


def check_image(name: str, source: Path | io.BytesIO, whole: bool = False) -> None:
    """Raises ValueError when this is not an image. `whole`: its last pixel is looked at too, which takes 0.1 s for a photo."""
    try:
        with Image.open(source) as image:
            if whole:
                image.load()
    except DAMAGED as error:
        why = "it is in no format that is known" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ValueError(f"{name} cannot be opened as an image: {why}") from error


def read_caption(image: Path) -> str:
    try:
        return find_caption(image).read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError:
        return ""


def find_caption_problem(image: Path) -> str:
    """Why an image's caption cannot be read as the trainer reads it; empty when it can, or there is none."""
    caption = find_caption(image)
    try:
        caption.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{caption.name} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return f"got the caption {caption.name} in another encoding, expected UTF-8 text"
    return ""


def _decode(name: str, data: bytes) -> str:
    """A caption's text: UTF-8, or UTF-16 that says so. Raises ValueError."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"got the caption {name} in another encoding, expected UTF-8 text") from error
    if "\0" in text:
        raise ValueError(f"got the caption {name} with bytes that are no text, expected UTF-8 text")
    return text
