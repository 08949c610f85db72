"""Files that arrive find their place as a whole or not at all; nothing that is there is replaced unasked."""

import io
import os
import shutil
import time
from pathlib import Path, PurePath

import pytest
from PIL import Image

from fluxgym.dataset import incoming
from fluxgym.dataset.images import CAPTION_LIMIT
from fluxgym.dataset.incoming import ARRIVING, Refused, arriving, find_target, take


def picture(colour: str = "teal", kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def put(place: Path, name: str, data: bytes, replaces: bool = False) -> tuple[str, str]:
    with arriving(place) as arrived:
        arrived.write_bytes(data)
        taken = take(place, PurePath(name), arrived, name, replaces)
    return taken.outcome, taken.note


@pytest.fixture
def place(outputs: Path) -> Path:
    return outputs.parent / "datasets" / "cat"


def test_what_arrives_is_there_and_nothing_beside_it(place: Path) -> None:
    assert put(place, "a.png", picture()) == ("added", "")
    assert put(place, "a.txt", "\ufeffa \u00fcber cat\r\n".encode()) == ("added", "")
    assert sorted(path.name for path in place.iterdir()) == ["a.png", "a.txt"]
    assert (place / "a.txt").read_bytes() == "a \u00fcber cat\n".encode()


def test_a_caption_of_another_encoding_becomes_utf_8_and_that_is_said(place: Path) -> None:
    assert put(place, "a.txt", b"a caf\xe9") == ("added", "a.txt was written in Windows-1252, it is UTF-8 now")
    assert (place / "a.txt").read_text(encoding="utf-8") == "a caf\u00e9\n"
    assert put(place, "a.txt", b"a caf\xe9") == ("same", "")


def test_the_same_again_is_left_and_another_is_never_put_over_it_unasked(place: Path) -> None:
    put(place, "a.png", picture("red"))
    put(place, "a.txt", b"mine")
    before = (place / "a.png").stat().st_mtime_ns
    assert put(place, "a.png", picture("red")) == put(place, "a.txt", b" mine\n") == ("same", "")
    assert (place / "a.png").stat().st_mtime_ns == before
    assert put(place, "a.png", picture("blue")) == put(place, "a.txt", b"theirs") == ("differs", "")
    assert ((place / "a.png").read_bytes(), (place / "a.txt").read_text()) == (picture("red"), "mine\n")
    assert put(place, "a.png", picture("blue"), replaces=True) == ("replaced", "")
    assert (place / "a.png").read_bytes() == picture("blue")


def test_an_empty_caption_says_nothing(place: Path) -> None:
    put(place, "a.txt", b"mine")
    assert put(place, "a.txt", b" \n", replaces=True) == put(place, "b.txt", b"") == ("same", "")
    assert [path.name for path in place.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.png", b"", "a.png cannot be opened as an image: it is empty"),
        ("a.png", picture()[:60], "a.png cannot be opened as an image"),
        ("a.png", picture(kind="JPEG", size=(300, 300))[:900], "cannot be opened as an image"),
        ("a.png", b"<!doctype html>", "a web page"),
        ("a.png", picture(size=(1, 1)), "got an image of 1x1 px, expected at least 16 px on each side"),
        ("a.txt", b"x" * (CAPTION_LIMIT + 1), "got 10,001 characters, expected a caption of at most 10,000"),
        ("a.txt", b"x" * 2**20, "got 1,048,576 characters"),
        ("a.txt", b"x" * (9 * 2**20), "got a text of 9 MiB"),
        ("a.txt", b"\0\1\2", "got bytes that are no text"),
    ],
)
def test_what_cannot_be_used_is_named_and_leaves_nothing(place: Path, name: str, data: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told):
        put(place, name, data)
    assert not place.exists()


def test_an_animation_is_taken_and_said(place: Path) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert put(place, "a.gif", out.getvalue()) == ("added", "a.gif is animated: its first frame is what is learned")


def test_what_nobody_finished_is_thrown_away_in_the_end(place: Path) -> None:
    (place / ARRIVING).mkdir(parents=True)
    old, new = place / ARRIVING / "old", place / ARRIVING / "new"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, time.time() - incoming.LEFT - 1))
    put(place, "a.png", picture())
    assert not old.exists() and new.exists()


def test_a_data_set_that_was_there_stays_when_nothing_comes_into_it(place: Path) -> None:
    place.mkdir(parents=True)
    with pytest.raises(Refused):
        put(place, "a.png", b"")
    assert list(place.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=incoming.SPARE + 10 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    incoming.check_room(place, 10 * 2**20)
    with pytest.raises(Refused, match="no room for it: 11 MiB, and 10 MiB are free"):
        incoming.check_room(place, 11 * 2**20)


@pytest.mark.parametrize(
    "given", ["", "datasets", "datasets/..", "datasets/a/b", "outputs/x", "/etc", "~/x", "x\0y", "datasets/.x", "y" * 5000]
)
def test_only_data_sets_are_written_into(outputs: Path, given: str) -> None:
    where = str(outputs.parent / given) if given.startswith(("datasets", "outputs")) else given
    with pytest.raises(ValueError, match="expected"):
        find_target(where)


def test_a_data_set_need_not_be_there_and_is_no_way_out(outputs: Path, tmp_path: Path) -> None:
    root = outputs.parent / "datasets"
    assert find_target(str(root / "new")) == root / "new"
    root.mkdir(exist_ok=True)
    (root / "old name").mkdir()
    assert find_target(str(root / "old name")) == root / "old name"
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="a link to another folder"):
        find_target(str(root / "link"))


def test_an_image_does_not_come_under_the_caption_of_one_of_another_kind(place: Path) -> None:
    assert put(place, "a.png", picture()) == put(place, "a.jpg", picture("red", "JPEG")) == ("added", "")
    assert put(place, "a.txt", b"of both, which came together") == put(place, "b.png", picture()) == ("added", "")
    assert put(place, "a.webp", picture("blue", "WEBP")) == ("differs", "")
    assert not (place / "a.webp").exists()
    assert put(place, "b.webp", picture("blue", "WEBP")) == ("added", ""), "there is no caption yet"
    assert put(place, "a.webp", picture("blue", "WEBP"), replaces=True) == ("added", "")
    put(place, "c.txt", b"came first")
    assert put(place, "c.png", picture()) == put(place, "a-masklabel.png", picture("white")) == ("added", "")
