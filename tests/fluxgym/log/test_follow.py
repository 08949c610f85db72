"""Reading what is new in a file that grows, shrinks, is replaced or goes away."""

from pathlib import Path

import pytest

from fluxgym.log.follow import Follower, Source
from fluxgym.log.tail import tail


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def test_only_whole_lines_and_each_once(tmp_path):
    log = tmp_path / "a.log"
    follower = Follower(log)
    assert follower.read().lines == []
    append(log, b"one\ntw")
    assert follower.read().lines == ["one"]
    assert follower.offset == 4
    append(log, b"o \xc3")
    append(log, b"\xa9\n")
    assert follower.read().lines == ["two é"]
    assert follower.read().lines == []


def test_begins_where_it_is_told(tmp_path):
    log = tmp_path / "a.log"
    append(log, b"old\n")
    follower = Follower(log, 4)
    append(log, b"new\n")
    assert follower.read().lines == ["new"]


def test_a_bar_gives_its_latest_state_at_each_read(tmp_path):
    log = tmp_path / "a.log"
    append(log, b"\rsteps: 1%\rsteps: 2%\rsteps: 3%")
    follower = Follower(log)
    assert follower.read().lines == ["steps: 2%"]
    append(log, b"\rsteps: 4%\n")
    assert follower.read().lines == ["steps: 4%"]


def test_shrunk_replaced_rewritten_deleted(tmp_path):
    log = tmp_path / "a.log"
    append(log, b"one\ntwo\n")
    follower = Follower(log)
    follower.read()
    log.write_bytes(b"new\n")
    chunk = follower.read()
    assert (chunk.lines, chunk.restarted) == (["new"], True)
    other = tmp_path / "b.log"
    other.write_bytes(b"new\nreplaced\n")
    other.replace(log)
    assert follower.read().lines == ["new", "replaced"]
    log.write_bytes(b"longer than before, with another beginning\n")
    assert follower.read().restarted
    log.unlink()
    chunk = follower.read()
    assert (chunk.lines, chunk.restarted) == ([], False)
    log.write_bytes(b"back\n")
    assert follower.read().lines == ["back"]


def test_a_source_says_when_the_file_was_written(tmp_path):
    source = Source(tmp_path / "a.log")
    source.read()
    assert source.modified is None
    append(tmp_path / "a.log", b"x")
    assert source.read() == (b"x", False)
    assert source.modified == (tmp_path / "a.log").stat().st_mtime


def test_what_was_written_before_a_rotation_is_not_lost(tmp_path):
    log = tmp_path / "a.log"
    append(log, b"one\n")
    follower = Follower(log)
    follower.read()
    append(log, b"two\nlast words")
    log.rename(tmp_path / "a.log.1")
    assert follower.read().lines == ["two"]
    append(tmp_path / "a.log.1", b" of it")
    append(log, b"new\n")
    chunk = follower.read()
    assert (chunk.lines, chunk.restarted) == (["last words of it", "new"], True)
    append(log, b"newer\n")
    assert follower.read().lines == ["newer"]


def test_a_source_that_does_not_hold_its_file_leaves_it_closed(tmp_path):
    def is_open():
        return any(link.is_symlink() and link.readlink() == tmp_path / "a.log" for link in Path("/proc/self/fd").iterdir())

    append(tmp_path / "a.log", b"one\n")
    source = Source(tmp_path / "a.log")
    source.read()
    assert not is_open()
    follower = Follower(tmp_path / "a.log")
    follower.read()
    assert is_open()


@pytest.mark.parametrize(
    ("data", "whole", "rest"),
    [
        (b"one\nhal", ["one"], ["hal"]),
        (b"one\nbar 1\rbar 2\rbar", ["one", "bar 2"], ["bar"]),
        (b"one\n\rbar 1", ["one"], ["bar 1"]),
        (b"one\r\ntwo\r", ["one"], ["two"]),
        (b"one\n", ["one"], []),
        (b"hal", [], ["hal"]),
    ],
)
def test_an_unfinished_last_line_is_given_once_whether_it_ends_or_not(tmp_path, data, whole, rest):
    log = tmp_path / "a.log"
    append(log, data)
    end = tail(log, 100, only_whole=True)
    follower = Follower(log, end.size)
    assert end.lines == whole
    assert (follower.read().lines, follower.rest()) == ([], rest)
    append(log, b"\nnext\n")
    assert (follower.read().lines, follower.rest()) == ([*rest, "next"] if rest else ["", "next"], [])
