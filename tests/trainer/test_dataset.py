"""A folder of images and captions: what is read, and every problem with the name of its file."""

import numpy as np
import pytest
from PIL import Image

from trainer.config import parse_config
from trainer.dataset import DatasetError, Files, crop_square, find_caption, list_files, open_image, read_dataset, read_folder


def test_images_and_captions(make_folder):
    folder = make_folder({"a.png": "a  cat\non a mat ", "b.JPG": "a [trigger]", "c.webp": None, ".hidden.png": None})
    found = {item.path.name: item.caption for item in read_folder(folder, "sks dog")}
    assert found == {"a.png": "a cat on a mat", "b.JPG": "a sks dog", "c.webp": "sks dog"}


@pytest.mark.parametrize("suffix", [".txt", ".TXT", ".Txt", ".tXt"])
def test_a_caption_is_found_in_any_case(make_folder, suffix):
    folder = make_folder({"a.png": None})
    (folder / f"a{suffix}").write_text("a cat")
    assert [item.caption for item in read_folder(folder, "word")] == ["a cat"]
    assert find_caption(folder / "a.png") == folder / f"a{suffix}" and find_caption(folder / "b.png") == folder / "b.txt"
    (folder / "a.png").rename(folder / "b.png")
    assert list_files(folder) == Files([folder / "b.png"], [folder / f"a{suffix}"])


def test_hidden_files_and_folders_are_none_of_it(make_folder):
    folder = make_folder({"b.png": "x", "a.JPG": "x"})
    for name in ("._b.png", "._b.txt", ".DS_Store", "notes.md"):
        (folder / name).write_bytes(b"\0")
    (folder / "c.png").mkdir()
    assert list_files(folder) == Files([folder / "a.JPG", folder / "b.png"], [])


def test_content_names_an_item_whatever_its_file_is_called(make_folder):
    folder = make_folder({"a.png": "one", "b.png": "two", "c.png": "two"})
    before = {item.path.name: item.digest for item in read_folder(folder, "")}
    order = [item.digest for item in read_folder(folder, "")]
    (folder / "a.png").rename(folder / "z.png")
    (folder / "a.txt").rename(folder / "z.txt")
    after = {item.path.name: item.digest for item in read_folder(folder, "")}
    assert after["z.png"] == before["a.png"] and len(set(after.values())) == 3
    assert [item.digest for item in read_folder(folder, "")] == order, "order is by content"
    (folder / "z.txt").write_text("other words")
    assert {item.path.name: item.digest for item in read_folder(folder, "")}["z.png"] != before["a.png"]


def test_every_problem_at_once_with_its_file(make_folder):
    folder = make_folder({"good.png": "fine", "bad.png": "fine", "cut.jpg": "fine", "bytes.png": "", "none.png": None})
    (folder / "bad.png").write_text("not an image")
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:9000])
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\x00caption")
    (folder / "lonely.txt").write_text("where is my image?")
    with pytest.raises(DatasetError) as caught:
        read_folder(folder, trigger="")
    said = {problem.split(":")[0]: problem for problem in caught.value.problems}
    assert said.keys() == {"bad.png", "cut.jpg", "bytes.png", "none.png", "lonely.txt"}
    assert "got a file of 12 bytes that is no whole image" in said["bad.png"]
    assert "got a file of 9000 bytes that is no whole image" in said["cut.jpg"]
    assert "its caption bytes.txt cannot be read, expected UTF-8 text" in said["bytes.png"]
    assert "no caption and no trigger, expected a caption in none.txt" in said["none.png"]
    assert "a caption without an image, expected an image called lonely beside it" in said["lonely.txt"]
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(("make", "part"), [(None, "got nothing at"), ("file", "got a file at"), ("empty", "got no image in")])
def test_a_folder_that_is_none(tmp_path, make, part):
    path = tmp_path / "data"
    if make == "file":
        path.touch()
    if make == "empty":
        path.mkdir()
    with pytest.raises(DatasetError, match=part):
        read_folder(path, "word")


def test_a_trigger_that_a_caption_asks_for(make_folder):
    folder = make_folder({"a.png": "a [trigger]"})
    with pytest.raises(DatasetError, match=r"a\.png: the caption says \[trigger\], expected a trigger in the settings"):
        read_folder(folder, "")


def test_the_settings_name_both_folders_and_regularisation_needs_captions_of_its_own(small, make_folder):
    assert len(read_dataset(parse_config(small))) == 12
    assert len(read_dataset(parse_config(small)).regularisation) == 48
    small["data"]["regularisation"] = str(make_folder({"a.png": None}))
    with pytest.raises(DatasetError, match=r"a\.png: no caption"):
        read_dataset(parse_config(small))
    small["data"]["regularisation_images"] = 0
    assert read_dataset(parse_config(small)).regularisation == []


def test_an_image_is_opened_as_a_person_sees_it(tmp_path):
    turned = Image.new("RGB", (40, 20), "red")
    exif = turned.getexif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert open_image(tmp_path / "turned.jpg").size == (20, 40)
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "clear.png")
    assert open_image(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4))
    palette.putpalette([10, 20, 30] * 256)
    palette.save(tmp_path / "palette.png")
    assert open_image(tmp_path / "palette.png").getpixel((0, 0)) == (10, 20, 30)
    Image.new("I;16", (4, 4), 65535).save(tmp_path / "deep.png")
    assert open_image(tmp_path / "deep.png").getpixel((0, 0)) == (255, 255, 255)


def test_the_square_is_cut_from_the_middle_and_nothing_is_stretched():
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    square = np.asarray(crop_square(image, 50))
    assert square.shape == (50, 50, 3) and (abs(square[:, 2:-2] - np.array([255, 0, 0])) < 3).all()
