"""The same picture in another size, format or light is found; other pictures are not."""

import random
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from fluxgym.dataset.likeness import Print, find_print, group_alike
from trainer.mini import DATASET


def photo(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Something with light and dark places, as a photo has."""
    chance = random.Random(seed)
    small = Image.frombytes("RGB", (8, 6), bytes(chance.randrange(256) for _ in range(8 * 6 * 3)))
    return small.resize(size, Image.Resampling.BICUBIC)


def groups(folder: Path) -> list[tuple[tuple[str, ...], bool]]:
    images = {path.name: path for path in sorted(folder.iterdir())}
    prints = {name: found for name, path in images.items() if (found := find_print(path))}
    return [(group.keys, group.is_same) for group in group_alike(prints, images)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(12):
        photo(seed).save(tmp_path / f"{seed:02d}.png")
    return tmp_path


def test_other_pictures_are_not_alike(folder: Path) -> None:
    assert groups(folder) == []
    drawings = sorted(DATASET.rglob("*.png"))
    prints = {str(path): found for path in drawings if (found := find_print(path))}
    assert len(prints) == 60
    assert group_alike(prints, dict(zip(prints, drawings, strict=True))) == []


def test_the_same_picture_made_anew_is_found(folder: Path) -> None:
    photo(3).resize((320, 240)).save(folder / "small.jpg", quality=60)
    photo(3).crop((6, 5, 636, 476)).save(folder / "cropped.webp")
    ImageEnhance.Brightness(photo(7)).enhance(1.08).save(folder / "light.jpg")
    assert groups(folder) == [(("03.png", "cropped.webp", "small.jpg"), False), (("07.png", "light.jpg"), False)]


def test_the_same_file_twice_is_told_as_such_and_compared_once(folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "03.png").read_bytes())
    photo(3).save(folder / "again.jpg")
    assert groups(folder) == [(("03.png", "copy.png"), True), (("03.png", "again.jpg"), False)]


def test_the_same_drawing_in_another_colour_is_another(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{colour}.png")
    Image.new("RGB", (96, 96), "red").save(tmp_path / "red2.png")
    assert groups(tmp_path) == [(("red.png", "red2.png"), False)]


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    photo(1).save(path)
    first = find_print(path)
    photo(2, (64, 64)).save(path)
    assert first and find_print(path) != first


def test_what_cannot_be_opened_is_like_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    assert find_print(tmp_path / "a.png") is None
    assert find_print(tmp_path / "none.png") is None
    assert group_alike({}, {"none": tmp_path / "none.png"}) == []


def test_a_print_is_like_itself() -> None:
    one = Print(5, bytes(48))
    assert one.is_like(one)
    assert not one.is_like(Print(5 ^ (1 << 19) - 1, bytes(48)))
    assert not one.is_like(Print(5, bytes([20] * 48)))
