"""Images and captions on disk: listed, looked at."""

from pathlib import Path

import pytest

from fluxgym.dataset import images


def test_captions_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffa \u00fcber cat\n", encoding="utf-8")
    assert images.read_caption(tmp_path / "a.png") == "a \u00fcber cat"
    assert images.read_caption(tmp_path / "b.png") == ""


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    for whole in (True, False):
        with pytest.raises(ValueError, match=r"x\.png cannot be opened as an image: it is in no format"):
            images.check_image("x.png", tmp_path / "x.png", whole)


def test_images_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.txt", "d.webp.new"):
        (tmp_path / name).touch()
    (tmp_path / "e.png").mkdir()
    assert [path.name for path in images.list_images(tmp_path)] == ["a.jpg", "b.PNG"]


@pytest.mark.parametrize("folder", ["", "no/such", "x\0y", "~nobody-at-all/x"])
def test_a_folder_that_is_not_there(folder: str) -> None:
    assert images.find_folder(folder) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"a\0cat", "zero bytes"), (b"x" * 2**20, "expected at most 65,536"), (b"caf\xe9", "another encoding"), (b"cat", "")],
)
def test_a_caption_in_a_folder_that_cannot_be_learned_is_named(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    found = images.find_caption_problem(tmp_path / "a.png")
    assert told in found and bool(told) == bool(found)
