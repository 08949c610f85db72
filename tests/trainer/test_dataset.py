"""A folder of images and captions: what is read, and every problem with the name of its file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.buckets import Shape
from trainer.config import parse_config
from trainer.dataset import Manner, crop, open_mask, read_dataset, read_folder
from trainer.listing import DatasetError
from trainer.picture import open_image, read_size


def test_images_and_captions(make_folder):
    folder = make_folder({"a.png": "a  cat\non a mat ", "b.JPG": "a [trigger]", "c.webp": None, ".hidden.png": None})
    found = {item.path.name: item.caption for item in read_folder(folder, "sks dog")}
    assert found == {"a.png": "a cat on a mat", "b.JPG": "a sks dog", "c.webp": "sks dog"}


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


def test_what_is_left_is_the_middle_and_nothing_is_stretched():
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    square = np.asarray(crop(image, (50, 50)))
    assert square.shape == (50, 50, 3) and (abs(square[:, 2:-2] - np.array([255, 0, 0])) < 3).all()
    wide = np.asarray(crop(image, (96, 48)))
    assert wide.shape == (48, 96, 3)
    red = (wide[:, :, 0] > 128).mean(axis=1)
    assert np.allclose(red, 0.5, atol=0.03), "a third of the image is half of what is left of it"


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_size_is_what_a_person_sees(make_folder, suffix):
    folder = make_folder({})
    turned = Image.new("RGB", (400, 200), "red")
    exif = turned.getexif()
    exif[0x0112] = 8
    turned.save(folder / f"a.{suffix}", exif=exif)
    (folder / "a.txt").write_text("x")
    (item,) = read_folder(folder, "")
    assert item.shape == Shape((200, 400)) and open_image(item.path).size == (200, 400)
    with Image.open(item.path) as image:
        assert read_size(image) == (200, 400), "as far as the header tells"


@pytest.mark.parametrize("size", [(15, 64), (64, 8)])
def test_an_image_that_is_too_small_is_named(make_folder, size):
    folder = make_folder({"a.png": "x"}, size=size)
    with pytest.raises(DatasetError, match=rf"a\.png: got an image of {size[0]}x{size[1]} px, expected at least 16 px"):
        read_folder(folder, "")


def test_how_images_are_shown_is_said_by_settings_and_by_the_layout(small, tmp_path, make_folder):
    make_folder({"a.png": "one", "b.png": "two"})
    small["data"] |= {"folder": str(tmp_path / "images"), "flip": True, "shuffle_tags": True, "keep_tags": 1}
    items = read_dataset(parse_config(small)).images
    assert {item.manner for item in items} == {Manner(True, 1, True, 0.0)} and {item.shape.repeats for item in items} == {None}
    toml = tmp_path / "set.toml"
    toml.write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "images"\nflip_aug = false\nnum_repeats = 4\nresolution = 96\n'
    )
    small["data"]["folder"] = str(toml)
    dataset = read_dataset(parse_config(small))
    assert {item.manner for item in dataset.images} == {Manner(True, 1, False, 0.0)}
    assert {item.shape for item in dataset.images} == {Shape((80, 64), 4, (96,))} == set(dataset.shapes)
    assert dataset.notes == [
        f"data.repeats: 1 is ignored, {toml} says itself how often each image is shown",
        f"data.resolution: 64 is ignored where {toml} has a resolution of its own",
    ]
    assert {item.manner for item in dataset.regularisation} == {Manner()}


@pytest.fixture
def masked(small, make_folder, tmp_path):
    """Settings of a folder with three images, one of them see-through, and a folder of masks for two."""
    folder = make_folder({"a.png": "a", "b.png": "b", "c.png": "c"})
    Image.new("RGBA", (80, 64), (255, 0, 0, 128)).save(folder / "c.png")
    (tmp_path / "masks").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("L", (160, 128), 200).save(tmp_path / "masks" / name)
    small["data"] |= {"folder": str(folder), "masks": str(tmp_path / "masks")}
    return small


def test_masks_of_a_folder(masked, tmp_path):
    dataset = read_dataset(parse_config(masked))
    masks = {item.path.name: item.mask for item in dataset.images}
    assert masks == {"a.png": tmp_path / "masks" / "a.png", "b.png": tmp_path / "masks" / "b.jpg", "c.png": None}
    assert dataset.notes == ["data.masks: 1 of 3 images have no mask and count fully, first c.png"]
    assert {open_mask(item).getpixel((0, 0)) for item in dataset.images if item.mask} == {200}
    before = {item.path.name: item.digest for item in dataset.images}
    Image.new("L", (160, 128), 100).save(tmp_path / "masks" / "a.png")
    after = {item.path.name: item.digest for item in read_dataset(parse_config(masked)).images}
    assert [name for name in before if before[name] != after[name]] == ["a.png"], "a mask is content"


def test_no_image_is_its_own_mask(masked):
    folder = Path(masked["data"]["folder"])
    Image.new("L", (80, 64), 50).save(folder / "a-masklabel.png")
    masked["data"]["masks"] = str(folder)
    dataset = read_dataset(parse_config(masked))
    masks = {item.path.name: item.mask for item in dataset.images}
    assert masks == {"a.png": folder / "a-masklabel.png", "b.png": None, "c.png": None}
    assert dataset.notes == ["data.masks: 2 of 3 images have no mask and count fully, first b.png"]


def test_masks_of_see_through_images(masked):
    masked["data"]["masks"] = "alpha"
    items = {item.path.name: item for item in read_dataset(parse_config(masked)).images}
    assert items["a.png"].mask is None and items["c.png"].mask == items["c.png"].path
    assert open_mask(items["c.png"]).getpixel((0, 0)) == 128


@pytest.mark.parametrize(
    ("name", "size", "part"),
    [
        ("a.png", (64, 80), r"a\.png: its mask a\.png: got 64x80 px for an image of 80x64, expected the same shape"),
        ("b.jpg", None, "no whole"),
    ],
)
def test_masks_that_cannot_be_used(masked, tmp_path, name, size, part):
    path = tmp_path / "masks" / name
    if size:
        Image.new("L", size).save(path)
    else:
        path.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=part):
        read_dataset(parse_config(masked))


def test_no_folder_of_masks(masked):
    masked["data"]["masks"] = "none"
    with pytest.raises(DatasetError, match=r"data\.masks: got nothing at none, expected a folder of masks, or 'alpha'"):
        read_dataset(parse_config(masked))


def test_a_hostile_name_of_an_image_is_a_name(make_folder, hostile_name):
    """Whatever the file is called: its caption is found, its content names it, and a problem with it is one line."""
    name = hostile_name.replace("/", "_").replace("\0", "_").lstrip(".")[:200]
    folder = make_folder({"a.png": "a cat"})
    before = {item.digest for item in read_folder(folder, "")}
    (folder / "a.png").rename(folder / f"x{name}.png")
    (folder / "a.txt").rename(folder / f"x{name}.txt")
    (item,) = read_folder(folder, "")
    assert (item.path.name, item.caption) == (f"x{name}.png", "a cat") and {item.digest} == before
    (folder / f"x{name}.png").write_bytes(b"no image")
    with pytest.raises(DatasetError) as caught:
        read_folder(folder, "")
    assert len(caught.value.problems) == 1 and "is no whole image" in caught.value.problems[0]
