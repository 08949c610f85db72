"""A file is there as a whole or not at all, and one that cannot be written leaves nothing behind."""

import resource

import pytest

from trainer.disk import NotWritten, make_folder, write_whole


def test_it_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second" and list(path.parent.iterdir()) == [path]


def test_what_does_not_fit_leaves_the_older_file_alone(tmp_path):
    path, before = tmp_path / "a.bin", resource.getrlimit(resource.RLIMIT_FSIZE)
    write_whole(path, b"first")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(NotWritten, match=f"{path} could not be written: File too large") as caught:
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == path
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_in_one_that_is_there(tmp_path):
    """A run whose folder was deleted must not come back in pieces."""
    make_folder(tmp_path / "a")
    make_folder(tmp_path / "a")
    (tmp_path / "file").touch()
    for path, reason in ((tmp_path / "gone" / "b", "No such file or directory"), (tmp_path / "file", "File exists")):
        with pytest.raises(NotWritten, match=f"{path} could not be written: {reason}"):
            make_folder(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]
