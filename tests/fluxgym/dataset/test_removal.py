"""Images go with all that is theirs, come back, and are replaced under their caption."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fluxgym.dataset.captions import read_captions
from fluxgym.dataset.removal import bring_back, find_removed, remove_images, remove_lonely, replace_image
from fluxgym.dataset.sets import make_set

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def cat(outputs: Path) -> Path:
    folder = make_set("cat")
    for name in ("a.png", "a-masklabel.png", "b.png", "c.png", "c.jpg"):
        Image.new("RGB", (32, 32)).save(folder / name)
    for name in "abc":
        (folder / f"{name}.txt").write_text(name)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_an_image_goes_with_its_caption_and_mask_and_comes_back(cat: Path) -> None:
    before = names(cat)
    assert remove_images(cat, ["a.png", "b.png"]) == 2
    assert names(cat) == ["c.jpg", "c.png", "c.txt"]
    assert [image.key for image in read_captions(cat).images] == ["c.jpg", "c.png"]
    assert find_removed(cat) == 2
    assert bring_back(cat) == []
    assert (names(cat), find_removed(cat)) == (before, 0)


def test_a_caption_stays_while_another_image_has_it(cat: Path) -> None:
    remove_images(cat, ["c.jpg"])
    assert "c.txt" in names(cat)
    bring_back(cat)
    remove_images(cat, ["c.jpg", "c.png"])
    assert "c.txt" not in names(cat)


def test_what_is_there_again_is_not_written_over(cat: Path) -> None:
    remove_images(cat, ["a.png"])
    (cat / "a.txt").write_text("new")
    assert bring_back(cat) == ["a.txt"]
    assert (cat / "a.txt").read_text() == "new"
    assert find_removed(cat), "it is still there to be looked at"


def test_an_image_does_not_come_back_under_the_caption_of_another(cat: Path) -> None:
    remove_images(cat, ["a.png"])
    Image.new("RGB", (48, 48)).save(cat / "a.jpg")
    (cat / "a.txt").write_text("of another")
    assert bring_back(cat) == ["a-masklabel.png", "a.png", "a.txt"]
    assert (cat / ".removed" / "a.txt").read_text() == "a" and "a.png" not in names(cat)


def test_the_lines_of_what_comes_back_come_though_others_stay_away(cat: Path) -> None:
    (cat / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "A"}\n{"file_name": "b.png", "text": "B"}\n')
    remove_images(cat, ["a.png", "b.png"])
    Image.new("RGB", (48, 48)).save(cat / "a.png")
    assert "a.png" in bring_back(cat) and "b.png" in names(cat)
    assert (cat / "metadata.jsonl").read_text().strip() == '{"file_name": "b.png", "text": "B"}'
    (cat / "a.png").unlink()
    assert bring_back(cat) == []
    assert '"text": "A"' in (cat / "metadata.jsonl").read_text()


def test_the_lines_of_metadata_go_and_come_with_their_images(cat: Path) -> None:
    (cat / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "A"}\nbroken\n{"file_name": "b.png", "text": "B"}\n')
    remove_images(cat, ["a.png"])
    assert (cat / "metadata.jsonl").read_text() == 'broken\n{"file_name": "b.png", "text": "B"}\n'
    bring_back(cat)
    assert (cat / "metadata.jsonl").read_text().endswith('{"file_name": "a.png", "text": "A"}\n')
    Image.new("RGB", (40, 40)).save(cat.parent / "new.webp")
    assert replace_image(cat, "a.png", cat.parent / "new.webp") == "a.webp"
    said = [json.loads(line) for line in (cat / "metadata.jsonl").read_text().splitlines() if line != "broken"]
    assert {each["file_name"] for each in said} == {"a.webp", "b.png"}


def test_another_image_takes_the_place_and_the_caption(cat: Path) -> None:
    new = cat.parent / "new.jpg"
    Image.new("RGB", (48, 40)).save(new)
    assert replace_image(cat, "b.png", new) == "b.jpg"
    assert not (cat / "b.png").exists() and not new.exists()
    found = next(image for image in read_captions(cat).images if image.key == "b.jpg")
    assert found.text == "b"
    new.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="cannot be opened"):
        replace_image(cat, "a.png", new)
    Image.new("RGB", (48, 40)).save(new)
    with pytest.raises(ValueError, match=r"there is a c\.jpg already"):
        replace_image(cat, "c.png", new)
    assert (cat / "a.png").is_file() and (cat / "c.png").is_file()


def test_captions_without_an_image_go(cat: Path) -> None:
    (cat / "lonely.txt").write_text("x")
    assert remove_lonely(cat, ["lonely.txt", "a.png", "a.txt", "../cat/a.txt"]) == 1
    assert find_removed(cat) == 1
    assert "a.png" in names(cat) and "lonely.txt" not in names(cat)


def test_nothing_goes_from_somebody_else_s_folder(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    for does in (lambda: remove_images(tmp_path, ["a.png"]), lambda: replace_image(tmp_path, "a.png", tmp_path / "a.png")):
        with pytest.raises(ValueError, match="somebody else's"):
            does()
    assert (tmp_path / "a.png").is_file()
