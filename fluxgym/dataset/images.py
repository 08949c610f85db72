"""The images and captions of a data set on disk, listed and looked at. What lies in the folder is the truth."""

from pathlib import Path

from fluxgym.run.folders import PROJECT, outputs_root
from trainer import listing, picture
from trainer.listing import find_caption, list_files

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


def check_image(name: str, source: Path, whole: bool = False) -> None:
    """Raises ValueError when this is not an image. `whole`: its last pixel is looked at too, which takes 0.1 s for a photo."""
    try:
        if whole:
            picture.check_image(source)
        else:
            picture.open_file(source).close()
    except picture.DAMAGED as error:
        raise ValueError(f"{name} cannot be opened as an image: {error}") from error


def read_caption(image: Path) -> str:
    try:
        return find_caption(image).read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError:
        return ""


def find_caption_problem(image: Path) -> str:
    """Why an image's caption cannot be read as the trainer reads it; empty when it can, or there is none."""
    caption = find_caption(image)
    try:
        listing.read_caption(caption)
    except ValueError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            return f"got the caption {caption.name} in another encoding, expected UTF-8 text"
        return f"{image.name}: {error}"
    return ""
