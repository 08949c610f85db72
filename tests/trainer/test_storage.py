"""The room that the cache takes: what is long unused goes first, what is used stays, no room is told before it is missed."""

import os
import shutil
import time
from collections import namedtuple

import pytest

from trainer.storage import NoRoom, make_room, mark_used, new_mark, tidy

DAY = 86400
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def cache(tmp_path):
    """cache({name: days unused}): files of a kilobyte each."""

    def build(files):
        for name, days in files.items():
            path = tmp_path / ".cache" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 1000)
            os.utime(path, (time.time() - days * DAY,) * 2)
        return tmp_path / ".cache"

    return build


@pytest.fixture
def disk(monkeypatch):
    """disk(folder, room): a disk on which so many bytes are free beside what the folder holds."""

    def make(root, room):
        def usage(_):
            held = sum(path.stat().st_size for path in root.glob("*/*"))
            return Usage(room, held, room - held)

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return make


def left(root):
    return sorted(path.relative_to(root).as_posix() for path in root.glob("*/*"))


def test_what_nobody_has_used_for_a_month_is_deleted(cache, capfd):
    root = cache({"text/a": 29, "text/b": 31, "latents/c": 400, "latents/d": 0, "text/e.1234.new": 2, "text/f.5678.new": 0})
    tidy(root)
    assert left(root) == ["latents/d", "text/a", "text/f.5678.new"]
    assert "Cleared the cache: 3 files that nobody has used for long, 0.0 MB" in capfd.readouterr().out
    tidy(root)
    tidy(root / "none")
    assert capfd.readouterr().out == ""


def test_what_is_used_is_marked(cache):
    root = cache({"text/a": 40})
    mark_used(root / "text" / "a")
    mark_used(root / "text" / "gone")
    tidy(root)
    assert left(root) == ["text/a"]


def test_what_is_long_unused_makes_room_and_no_more_of_it_than_is_needed(cache, disk):
    root = cache({"text/a": 3, "text/b": 9, "latents/c": 5, "latents/d": 0.5})
    disk(root, 5500)
    make_room(root / "text", 1500)
    assert left(root) == ["latents/c", "latents/d", "text/a", "text/b"], "there is room"
    make_room(root / "text", 3000)
    assert left(root) == ["latents/d", "text/a"]


def test_no_room_is_told_with_what_is_needed_and_free(cache, disk):
    root = cache({"text/a": 3, "text/b": 0.5})
    disk(root, 3_000_000)
    with pytest.raises(NoRoom) as caught:
        make_room(root / "text", 5_000_000_000)
    assert left(root) == ["text/b"], "what was used today stays"
    assert str(caught.value).startswith(
        f"{root / 'text'}: got 3.0 MB of free space, expected 5.0 GB for what is to be cached; "
    )
    assert (caught.value.needed, caught.value.free) == (5_000_000_000, 2_999_000)


def test_several_writers_have_names_of_their_own():
    assert new_mark() != new_mark()
