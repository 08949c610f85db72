"""Reading what is new in a file that grows, shrinks, is replaced or goes away."""

import os
from pathlib import Path

import pytest

from fluxgym.log.follow import FIRST, Chunk, Follower, Source
from fluxgym.log.tail import tail

from .rotated import append, move, pack


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


# ---- logs that are moved away in parts ---------------------------------------------------------------------------------
@pytest.fixture
def log(tmp_path):
    return tmp_path / "training.log"


def read_all(source):
    read, is_new = b"", False
    while True:
        data, begins = source.read()
        is_new = is_new or begins
        read = data if begins else read + data
        if not data:
            return read, is_new


def test_a_source_goes_through_all_parts_in_order(log):
    for number in range(1, 4):
        append(log, b"part %d\n" % number)
        part = move(log, number)
        if number < 3:
            pack(part)
    source = Source(log, part=FIRST)
    assert read_all(source) == (b"part 1\npart 2\npart 3\n", False)
    append(log, b"new\n")
    assert read_all(source) == (b"new\n", False)
    assert (source.part, source.offset, source.size) == (4, 4, 25)
    assert read_all(Source(log)) == (b"new\n", False)
    assert read_all(Source(log, 2, part=2)) == (b"rt 2\npart 3\nnew\n", False)


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_was_not_read_before_it_was_moved_is_read_after_that(log, is_packed):
    append(log, b"one\n")
    source = Source(log, part=FIRST)
    read_all(source)
    append(log, b"two\nnot ended")
    part = move(log, 1)
    if is_packed:
        pack(part)
    append(log, b"three\n")
    pack(move(log, 2))
    append(log, b"four\n")
    assert read_all(source) == (b"two\nnot ended\nthree\nfour\n", False)


def test_a_fresh_start_while_a_part_is_read_begins_anew(log):
    for number in (1, 2):
        append(log, b"old %d\n" % number)
        move(log, number)
    source = Source(log, part=FIRST)
    assert source.read() == (b"old 1\n", False)
    for part in (log.parent / "logs").iterdir():
        part.unlink()
    append(log, b"new\n")
    assert read_all(source) == (b"new\n", True)
    log.unlink()
    append(log, b"newer\n")
    assert read_all(source) == (b"newer\n", True)


def test_a_part_that_is_missing_is_left_out(log):
    for number in range(1, 5):
        append(log, b"part %d\n" % number)
        move(log, number)
    append(log, b"new\n")
    (log.parent / "logs" / "training.0002.log").unlink()
    (log.parent / "logs" / "training.0003.log").unlink()
    assert read_all(Source(log, part=FIRST)) == (b"part 1\npart 4\nnew\n", False)
    (log.parent / "logs" / "training.0001.log").unlink()
    (log.parent / "logs" / "training.0001.log").symlink_to(log.parent / "nowhere")
    assert read_all(Source(log, part=FIRST)) == (b"part 4\nnew\n", False)


def test_a_log_that_is_cut_after_a_move_is_read_from_its_first_part(log):
    append(log, b"old\n")
    move(log, 1)
    append(log, b"something long\n")
    source, follower = Source(log, part=FIRST), Follower(log)
    assert read_all(source) == (b"old\nsomething long\n", False)
    follower.read()
    log.write_bytes(b"cut\n")
    assert read_all(source) == (b"old\ncut\n", True)
    chunk = follower.read()
    assert (chunk.lines, chunk.restarted) == (["cut"], True)


def test_a_follower_that_slept_through_two_moves_misses_nothing(log):
    append(log, b"one\n")
    follower = Follower(log)
    follower.read()
    append(log, b"two\nhal")
    pack(move(log, 1))
    append(log, b"three\n")
    move(log, 2)
    chunk = follower.read()
    assert (chunk.lines, chunk.restarted) == (["two", "hal", "three"], False)
    append(log, b"four\n")
    assert (follower.read().lines, follower.offset) == (["four"], 5)


def test_a_packed_log_is_read_as_what_it_was(log):
    append(log, b"one\n")
    part = move(log, 1)
    pack(part).rename(log.with_name("training.log.gz"))
    source = Source(log.with_name("training.log.gz"), part=FIRST)
    assert (read_all(source), read_all(source)) == ((b"one\n", False), (b"", False))


def test_an_empty_file_is_not_known_again_by_its_inode(log):
    """A file system gives the inode of a deleted file to the next one: the first part was packed, and its inode is free."""
    append(log, b"")
    source, follower = Source(log, 0, FIRST), Follower(log, 0)
    assert (source.read(), follower.read().lines) == ((b"", False), [])
    log.parent.joinpath("logs").mkdir()
    log.parent.joinpath("logs", "training.0001.log").write_bytes(b"one\n")
    append(log, b"two\n")
    assert read_all(source) == (b"one\ntwo\n", False)
    assert (follower.read().lines, follower.read().restarted) == (["one", "two"], False)


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda log: log.symlink_to("/dev/zero"), lambda log: log.symlink_to(log)]
)
def test_what_is_no_file_has_no_lines_and_nobody_waits_for_it(log, make):
    make(log)
    source, follower = Source(log, 0, FIRST), Follower(log)
    assert (source.read(), source.modified, follower.read()) == ((b"", False), None, Chunk([]))
    log.rmdir() if log.is_dir() else log.unlink()
    append(log, b"now\n")
    assert (source.read(), follower.read()) == ((b"now\n", False), Chunk(["now"]))


def test_a_log_that_cannot_be_read_for_a_moment_goes_on_where_it_was(log):
    append(log, b"one\n")
    source = Source(log, 0, FIRST)
    assert source.read() == (b"one\n", False)
    log.rename(log.with_name("aside"))
    log.symlink_to(log)  # whoever opens it gets an error that does not say that there is none
    assert source.read() == (b"", False)
    log.unlink()
    log.with_name("aside").rename(log)
    append(log, b"two\n")
    assert source.read() == (b"two\n", False)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda part: part.symlink_to(part)])
def test_a_part_that_nobody_can_read_hides_no_other(log, make):
    append(log, b"one\n")
    move(log, 1)
    make(log.parent / "logs" / "training.0002.log")
    append(log, b"three\n")
    source = Source(log, 0, FIRST)
    assert [source.read(), source.read(), source.read()] == [(b"one\n", False), (b"three\n", False), (b"", False)]
