"""An image file as a person sees it: upright, in sRGB, see-through parts on white, the first of its frames. Imports no torch.

Which format a file is of is found in its bytes, whatever its name says, and none but FORMATS is tried: for others Pillow would
start programs."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageCms, ImageMode, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what pillow raises, by the format of the file
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF's number for it, and the values that exchange width and height
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)  # more than that Pillow does not open
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # grey of 16 bits
WITHOUT_HEIF = "HEIC and HEIF images need pillow-heif: pip install pillow-heif"

try:
    import pillow_heif
except ImportError:  # everything else works without it
    HAS_HEIF = False
else:
    pillow_heif.register_heif_opener()
    HAS_HEIF = True
_USABLE = FORMATS if HAS_HEIF else FORMATS[:-1]


@dataclass(frozen=True)
class Looked:
    """What was found in an image that was read to its last byte."""

    size: tuple[int, int]  # width and height in px, as a person sees it
    is_animated: bool


def open_file(file: Path | BinaryIO) -> Image.Image:
    """As Image.open: the header is read, no pixel yet. Raises one of DAMAGED, in words."""
    try:
        return Image.open(file, formats=_USABLE)
    except UnidentifiedImageError as error:
        raise ValueError(_tell_unknown(file)) from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {MOST_PIXELS / 1e6:.0f} million pixels, make it smaller") from error


def check_image(file: Path | BinaryIO) -> Looked:
    """Reads an image to its last byte. Raises one of DAMAGED."""
    with open_file(file) as image:
        size = image.size
        is_animated = image.format in ("GIF", "PNG", "WEBP", "AVIF") and bool(getattr(image, "is_animated", False))
        image.draft("RGB", (64, 64))  # JPEG alone: an eighth of the size is read, eight times as fast
        image.load()
        if image.mode == "F":
            raise ValueError("its pixels are floating-point numbers, expected 8 or 16 bits")
        turned = image.getexif().get(ORIENTATION) in TURNED
    return Looked((size[1], size[0]) if turned else size, is_animated)


def read_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as a person sees it: turned as its EXIF says. Of one that is not loaded, as far as its header tells."""
    if image.format == "TIFF":  # Pillow has turned its size already
        return image.size
    is_told = image.format != "PNG" or "exif" in image.info  # a PNG would be decoded to look for it behind the pixels
    turned = is_told and image.getexif().get(ORIENTATION) in TURNED
    return (image.height, image.width) if turned else image.size


def open_image(file: Path | BinaryIO) -> Image.Image:
    """The image as a person sees it, in RGB."""
    with open_file(file) as image:
        image.load()
        return show(image)


def show(image: Image.Image) -> Image.Image:
    """A loaded image as a person sees it, in RGB."""
    upright = image if image.format == "TIFF" else ImageOps.exif_transpose(image)  # Pillow turns a TIFF when it loads it
    if upright.mode in DEEP or upright.mode == "I":
        upright = upright.point(lambda value: value / 257).convert("L")
    if not upright.has_transparency_data:
        return _to_srgb(upright)
    rgba = upright.convert("RGBA")
    coloured = _to_srgb(_keep_profile(rgba.convert("RGB"), upright))
    coloured.putalpha(rgba.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), coloured).convert("RGB")


def _to_srgb(image: Image.Image) -> Image.Image:
    """By the profile that it carries, if it fits; what has none is sRGB as it is."""
    profile = image.info.get("icc_profile")
    plain = image if image.mode in ("RGB", "CMYK", "L", "LAB") else image.convert("RGB")
    if not profile:
        return plain.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _space_of(plain):
            return plain.convert("RGB")
        if plain.mode == "RGB" and "sRGB" in (source.profile.profile_description or ""):
            return plain
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(plain, source, target, outputMode="RGB") or plain.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a profile that is none
        return plain.convert("RGB")


def _space_of(image: Image.Image) -> str:
    return {"L": "GRAY", "LAB": "Lab"}.get(image.mode, ImageMode.getmode(image.mode).mode)


def _keep_profile(image: Image.Image, source: Image.Image) -> Image.Image:
    if source.mode not in ("L", "LA"):  # a profile for grey does not fit what is RGB now
        image.info["icc_profile"] = source.info.get("icc_profile")
    return image


def _tell_unknown(file: Path | BinaryIO) -> str:
    """Why a file is in no format that is known: what it begins with."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(64)
    else:
        file.seek(0)
        head = file.read(64)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<svg")):
        return "it is a web page or an SVG, not an image of pixels"
    if not HAS_HEIF and head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheim", b"ftypmsf1"):
        return WITHOUT_HEIF
    return f"it is in no format that is known, expected one of {', '.join(FORMATS)}"
