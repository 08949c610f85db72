"""Images and captions on disk: uploads under safe names, what is refused, captions, thumbnails."""

import io
from pathlib import Path

import pytest
from PIL import Image

from fluxgym.dataset import images


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.png", "a.png"),
        ("Ma photo!.PNG", "Ma_photo.png"),
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("a\nb\x00c.webp", "a_b_c.webp"),
        (".png.png", "png.png"),
        ("' ; rm -rf *.png", "rm_-rf.png"),
        ("\u202egnp.png", "gnp.png"),
        ("\U0001f600.png", "image.png"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
    ],
)
def test_uploads_get_safe_names(name: str, safe: str, tmp_path: Path) -> None:
    images.save_upload(tmp_path / "set", name, picture())
    assert [path.name for path in (tmp_path / "set").iterdir()] == [safe]
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


@pytest.mark.parametrize("name", ["x.exe", "x", "x.png.html", "x.svg"])
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got .* expected an image \(.png"):
        images.save_upload(tmp_path / "set", name, picture())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"no image", picture()[:60], picture("JPEG", (300, 300))[:900]])
def test_an_image_that_is_none_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.png cannot be opened as an image"):
        images.save_upload(tmp_path / "set", "x.png", data)
    assert list(tmp_path.iterdir()) == []


def test_captions_are_uploaded_and_read(tmp_path: Path) -> None:
    images.save_upload(tmp_path, "a.png", picture())
    images.save_upload(tmp_path, "a.txt", "\ufeffa \u00fcber cat\n".encode())
    assert images.read_caption(tmp_path / "a.png") == "a \u00fcber cat"


def test_a_caption_in_utf_16_becomes_utf_8(tmp_path: Path) -> None:
    images.save_upload(tmp_path, "a.txt", "a \u00fcber cat".encode("utf-16"))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "a \u00fcber cat"


@pytest.mark.parametrize("data", [b"a caf\xe9", "cat".encode("utf-16-le"), b"\xff\xfea"])
def test_a_caption_that_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got the caption a\.txt .* expected UTF-8 text"):
        images.save_upload(tmp_path / "set", "a.txt", data)
    assert list(tmp_path.iterdir()) == []


def test_images_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.txt", "d.webp.new"):
        (tmp_path / name).touch()
    (tmp_path / "e.png").mkdir()
    assert [path.name for path in images.list_images(tmp_path)] == ["a.jpg", "b.PNG"]


@pytest.mark.parametrize("folder", ["", "no/such", "x\0y", "~nobody-at-all/x"])
def test_a_folder_that_is_not_there(folder: str) -> None:
    assert images.find_folder(folder) is None
