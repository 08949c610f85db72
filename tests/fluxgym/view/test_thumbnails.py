"""Thumbnails: made once, whole, another when the picture is."""

import os
import threading

import pytest
from PIL import Image

from fluxgym.view.thumbnails import SIDE, thumbnail
from trainer.folder import RunFolder

NAME = "a_e000002_00_20261124101502_7.png"


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
