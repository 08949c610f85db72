"""The size of an image as a person sees it, and whether it is large enough."""

from pathlib import Path

from PIL import Image

from fluxgym.dataset.looks import find_size, is_small


def test_the_size_is_that_of_the_image_turned_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (640, 480)).save(tmp_path / "a.jpg", exif=turned)
    assert find_size(tmp_path / "a.jpg") == (480, 640)
    (tmp_path / "b.jpg").write_bytes(b"no image")
    assert find_size(tmp_path / "b.jpg") is None
    assert find_size(tmp_path / "c.jpg") is None


def test_small_is_what_does_not_fill_its_bucket() -> None:
    assert not is_small((512, 512), 512)
    assert not is_small((448, 640), 512)
    assert is_small((400, 500), 512)
    assert is_small((1, 1), 512)
