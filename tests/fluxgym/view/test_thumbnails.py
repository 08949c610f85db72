"""What is made of pictures: made once, whole, another when the picture is, and nothing in it but the picture."""

import io
import os
import threading

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from fluxgym.view.thumbnails import CARD_BYTES, SIDE, card, thumbnail, whole, write_bytes
from trainer.folder import RunFolder

NAME = "a_e000002_00_20261124101502_7.png"
PLANTED = "a secret of the maker"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "sample").mkdir(parents=True)
    return RunFolder(tmp_path / "a")


def draw(path, size=(800, 400)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "red").save(path)
    return path


def test_a_thumbnail_is_made_once(folder):
    picture = draw(folder.samples / NAME)
    small = thumbnail(folder, picture)
    assert small.parent == folder.thumbnails
    assert Image.open(small).size == (SIDE, SIDE // 2)
    made = small.stat().st_mtime_ns
    assert thumbnail(folder, picture) == small
    assert small.stat().st_mtime_ns == made
    assert [path.name for path in folder.thumbnails.iterdir()] == [small.name]


def test_a_link_in_place_of_a_thumbnail_is_not_followed(folder, tmp_path):
    """As it may lie in a run that was got from elsewhere."""
    secret = tmp_path / "secret"
    secret.write_text(PLANTED)
    picture = draw(folder.samples / NAME)
    small = thumbnail(folder, picture)
    small.unlink()
    small.symlink_to(secret)
    assert thumbnail(folder, picture) == small
    assert Image.open(small).size == (SIDE, SIDE // 2)
    assert secret.read_text() == PLANTED


def test_a_large_jpeg(folder):
    small = thumbnail(folder, draw(folder.path / "samples" / "1724093817000__000000500_3.jpg", (2000, 1000)))
    assert Image.open(small).size == (SIDE, SIDE // 2)


def test_a_changed_picture_has_another_thumbnail(folder):
    picture = draw(folder.samples / NAME)
    first = thumbnail(folder, picture)
    os.utime(picture, ns=(1, 1))
    assert thumbnail(folder, picture) != first


def test_pictures_of_one_name_in_two_folders_are_two(folder):
    places = [folder.path / "samples" / prompt / NAME for prompt in ("0 - a cat", "1 - a dog")]
    for place in places:
        draw(place)
        os.utime(place, ns=(1, 1))
    assert len({thumbnail(folder, place) for place in places}) == 2


def test_a_very_long_name_has_one_too(folder):
    picture = draw(folder.samples / f"{'x' * 200}_e000002_00_20261124101502_7.png")
    assert thumbnail(folder, picture).is_file()


def test_a_broken_picture_is_skipped_until_it_is_whole(folder):
    picture = draw(folder.samples / NAME)
    whole = picture.read_bytes()
    for broken in (b"", b"not a picture", whole[: len(whole) // 2], whole[:40] + b"\0" * 40 + whole[80:]):
        picture.write_bytes(broken)
        assert thumbnail(folder, picture) is None
        assert not folder.thumbnails.exists() or list(folder.thumbnails.iterdir()) == []
    picture.write_bytes(whole)
    os.utime(picture, ns=(2, 2))
    assert thumbnail(folder, picture) is not None
    assert thumbnail(folder, folder.samples / "gone.png") is None


def test_many_may_want_it_at_once(folder):
    picture, made = draw(folder.samples / NAME, (1500, 1500)), []
    threads = [threading.Thread(target=lambda: made.append(thumbnail(folder, picture))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert [path.suffix for path in folder.thumbnails.iterdir()] == [".webp"]


def draw_with_metadata(path):
    """A picture into which its maker wrote what nobody is to read, in each way that there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = PngInfo()
    notes.add_text("parameters", PLANTED)
    notes.add_itxt("XML:com.adobe.xmp", f"<x>{PLANTED}</x>")
    exif = Image.Exif()
    exif[0x010E] = PLANTED
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + PLANTED.encode()
    image = Image.new("RGB", (80, 40), "red")
    if path.suffix == ".png":
        image.save(path, pnginfo=notes, exif=exif, icc_profile=profile)
    else:
        image.save(path, exif=exif, icc_profile=profile, xmp=PLANTED.encode())
    assert PLANTED.encode() in path.read_bytes()
    return path


@pytest.mark.parametrize("make", [thumbnail, whole, card])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_what_its_maker_wrote_into_a_picture_is_not_in_what_is_made_of_it(folder, make, suffix):
    made = make(folder, draw_with_metadata((folder.samples / NAME).with_suffix(suffix)))
    assert PLANTED.encode() not in made.read_bytes()
    with Image.open(made) as image:
        assert set(image.info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "loop",
            "background",
            "timestamp",
            "duration",
        }
        assert dict(image.getexif()) == {}
        assert image.getpixel((5, 5))[0] > 240


def test_a_whole_picture_is_made_once_in_its_full_size(folder):
    picture = draw(folder.samples / NAME, (1600, 900))
    made = whole(folder, picture)
    assert Image.open(made).size == (1600, 900)
    stamp = made.stat().st_mtime_ns
    assert (whole(folder, picture), made.stat().st_mtime_ns) == (made, stamp)
    assert thumbnail(folder, picture) != made


def test_a_card_is_small_enough_for_a_messenger_whatever_the_picture_is(folder):
    folder.samples.mkdir(parents=True, exist_ok=True)
    picture = folder.samples / NAME
    Image.effect_noise((2048, 2048), 250).convert("RGB").save(picture)
    made = card(folder, picture)
    assert made.suffix == ".jpg"
    assert made.stat().st_size <= CARD_BYTES
    assert 256 <= max(Image.open(made).size) <= 1024


def test_a_picture_that_lies_on_its_side_is_put_upright(folder):
    folder.samples.mkdir(parents=True, exist_ok=True)
    picture = (folder.samples / NAME).with_suffix(".jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(picture, exif=exif)
    assert [Image.open(make(folder, picture)).size for make in (thumbnail, whole, card)] == [(40, 80)] * 3


def test_on_a_full_disk_nothing_is_made_and_later_it_is(folder, full_disk):
    picture = draw(folder.samples / NAME)
    with full_disk():
        assert thumbnail(folder, picture) is None
        assert list(folder.thumbnails.iterdir()) == []
    assert thumbnail(folder, picture).is_file()


def test_bytes_of_a_picture_are_kept_nowhere(folder):
    picture = draw(folder.samples / NAME)
    data = write_bytes(picture, 200, 80)
    assert Image.open(io.BytesIO(data)).size == (200, 100)
    assert not folder.thumbnails.exists()
    picture.write_bytes(b"not whole")
    assert write_bytes(picture, 200, 80) is None
