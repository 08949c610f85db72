"""Images in every format and colour that people have, as a person sees them; what cannot be used says why."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from trainer import picture
from trainer.picture import DAMAGED, check_image, open_image


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("kind", picture.FORMATS)
def test_every_format_is_opened_whatever_its_name(kind, tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path, kind)
    assert check_image(path).size == (64, 48)
    assert np.allclose(open_image(path).getpixel((30, 20)), (200, 30, 30), atol=6)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "PDF", "ICO", "TGA"])
def test_no_other_format_is_tried_for_it_might_start_a_program(kind, tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 48)).save(path, kind)
    with pytest.raises(DAMAGED, match="no format that is known, expected one of PNG, JPEG"):
        check_image(path)


@pytest.mark.parametrize("head", [b"<!DOCTYPE html><p>", b"\n <html>", b"\xef\xbb\xbf<HTML>", b'<svg xmlns="">', b"<?xml ?>"])
def test_a_png_that_is_a_web_page_is_named(head, tmp_path):
    (tmp_path / "a.png").write_bytes(head)
    with pytest.raises(DAMAGED, match="a web page or an SVG"):
        check_image(tmp_path / "a.png")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(DAMAGED, match="it is empty"):
        check_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_an_image_that_was_cut_off_is_found(kind, tmp_path):
    out = io.BytesIO()
    Image.effect_noise((300, 300), 90).convert("RGB").save(out, kind)
    (tmp_path / "a").write_bytes(out.getvalue()[: len(out.getvalue()) * 2 // 3])
    with pytest.raises(DAMAGED):
        check_image(tmp_path / "a")


def test_a_large_image_is_read_and_one_that_is_too_large_named(tmp_path):
    assert check_image(save(tmp_path / "wide.png", Image.new("1", (30_000, 100)))).size == (30_000, 100)
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I4sI", 0, b"IDAT", 0))
    with pytest.raises(DAMAGED, match="more than 179 million pixels"):
        check_image(tmp_path / "a.png")


def test_cmyk_is_seen_in_its_colours(tmp_path):
    path = save(tmp_path / "a.jpg", Image.new("CMYK", (32, 32), (0, 255, 255, 0)), quality=100)
    assert np.allclose(open_image(path).getpixel((9, 9)), (255, 0, 0), atol=4)


def test_the_colours_of_a_profile_are_those_a_person_sees(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = Image.new("RGB", (32, 32), (10, 200, 30))
    plain = open_image(save(tmp_path / "other.png", image, icc_profile=lab)).getpixel((0, 0))
    broken = open_image(save(tmp_path / "broken.png", image, icc_profile=b"none")).getpixel((0, 0))
    assert plain == broken == (10, 200, 30), "a profile that does not fit is none"
    wide = open_image(save(tmp_path / "wide.png", image, icc_profile=swapped_profile())).getpixel((0, 0))
    assert np.allclose(wide, (200, 10, 30), atol=3)
    clear = image.convert("RGBA")
    clear.putalpha(128)
    mixed = open_image(save(tmp_path / "clear.png", clear, icc_profile=swapped_profile())).getpixel((0, 0))
    assert np.allclose(mixed, (227, 132, 142), atol=4), "on white, after its colours"


def swapped_profile() -> bytes:
    """sRGB whose red and green are exchanged: what it does is seen at once."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    rows = {bytes(data[132 + 12 * at : 136 + 12 * at]): 132 + 12 * at for at in range(count)}
    red, green = rows[b"rXYZ"], rows[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = data[green + 4 : green + 12], data[red + 4 : red + 12]
    for number in range(count):  # it is no longer what its name says
        at, size = struct.unpack_from(">II", data, 136 + 12 * number)
        if data[132 + 12 * number : 136 + 12 * number] == b"desc":
            data[at + 8 : at + size] = (
                bytes(data[at + 8 : at + size]).replace(b"s\0R\0G\0B", b"o\0t\0h\0e").replace(b"sRGB", b"othe")
            )
    return bytes(data)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_keeps_its_tones(suffix, tmp_path):
    tones = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(64, 0)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(tones))
    assert np.allclose(np.asarray(open_image(path))[0, :, 0], tones[0] / 257, atol=1)


def test_floating_point_pixels_are_named(tmp_path):
    with pytest.raises(DAMAGED, match="floating-point numbers, expected 8 or 16 bits"):
        check_image(save(tmp_path / "a.tif", Image.new("F", (32, 32))))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_seen(kind, tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = tmp_path / "a"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    assert check_image(path).is_animated
    assert np.allclose(open_image(path).getpixel((9, 9)), (255, 0, 0), atol=8)
    frames[0].save(path, kind)
    assert not check_image(path).is_animated


def test_a_photo_of_a_phone_is_upright(tmp_path):
    for kind in ("JPEG", "AVIF", "TIFF", "WEBP"):
        turned = Image.new("RGB", (40, 20), "red")
        exif = turned.getexif()
        exif[picture.ORIENTATION] = 6
        path = tmp_path / f"{kind}.jpg"
        turned.save(path, kind, exif=exif)
        with picture.open_file(path) as image:
            assert picture.read_size(image) == open_image(path).size == check_image(path).size == (20, 40), kind


def test_without_its_library_heic_says_what_is_needed(tmp_path, monkeypatch):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.heic", "HEIF")
    monkeypatch.setattr(picture, "_USABLE", picture.FORMATS[:-1])
    monkeypatch.setattr(picture, "HAS_HEIF", False)
    with pytest.raises(DAMAGED, match="pip install pillow-heif"):
        check_image(tmp_path / "a.heic")
