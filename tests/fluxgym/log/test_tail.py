"""The last lines of a file."""

import os
import time
from pathlib import Path

import pytest

from fluxgym.log.parts import list_parts
from fluxgym.log.tail import KEPT, MOST, tail

from .rotated import append, move, pack


def test_the_last_lines_of_a_large_file(tmp_path):
    log = tmp_path / "training.log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(200_000)))
    end = tail(log, 100)
    assert end.lines == [f"line {number}" for number in range(199_900, 200_000)]
    assert end.size == log.stat().st_size


def test_fewer_lines_than_asked_for_and_an_unfinished_one(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"one\r\ntwo\n\nhal")
    assert tail(log, 100).lines == ["one", "two", "", "hal"]
    assert tail(log, 2).lines == ["", "hal"]
    assert tail(log, 0).lines == []


def test_lines_that_are_longer_than_what_is_read_at_once(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"first\n" + b"a" * 300_000 + b"\nlast\n")
    assert [len(line) for line in tail(log, 2).lines] == [2000 + len("... (+298,000 bytes)"), 4]
    assert tail(log, 3).lines[0] == "first"


def test_an_endless_line_costs_little(tmp_path):
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.truncate(2_000_000_000)  # a hole: no disk is used
    begin = time.process_time()
    shown = tail(log).lines
    assert time.process_time() - begin < 1

    assert shown == ["... (+8,388,608 bytes, the end of a line; only the last 8,388,608 bytes were looked at)"]


def test_a_line_of_which_only_the_end_was_looked_at_is_not_shown_as_a_line(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"begin " + b"a" * MOST + b"\nlast\n")
    assert tail(log).lines == [
        f"... (+{MOST - len('last--'):,} bytes, the end of a line; only the last {MOST:,} bytes were looked at)",
        "last",
    ]
    assert tail(log, 1).lines == ["last"]
    log.write_bytes(b"\rsteps: 1%" * (MOST // 10 + 10))
    assert tail(log).lines == ["steps: 1%"]


def test_no_file_an_empty_file_and_the_age(tmp_path):
    assert tail(tmp_path / "none.log") == tail(tmp_path / "none.log" / "below")
    assert tail(tmp_path / "none.log").age_seconds is None
    log = tmp_path / "a.log"
    log.touch()
    os.utime(log, (time.time() - 60, time.time() - 60))
    assert tail(log).lines == []
    assert 60 <= tail(log).age_seconds < 120


def test_it_goes_back_into_the_parts(tmp_path):
    log = tmp_path / "training.log"
    expected = []
    for number in range(1, 5):
        text = [f"part {number} line {line}" for line in range(30)]
        append(log, "".join(f"{line}\n" for line in text).encode())
        part = move(log, number)
        expected += text
        if number != 3:
            pack(part)
        for lines in (1, 7, 30, 31, 75, 500):
            assert tail(log, lines).lines == expected[-lines:], "there is no new file yet"
    append(log, b"new\nhal")
    for lines in (1, 2, 3, 40, 100, 500):
        assert tail(log, lines).lines == [*expected, "new", "hal"][-lines:]
    end = tail(log, 40, only_whole=True)
    assert (end.lines, end.size) == ([*expected, "new"][-40:], 4)
    assert end.age_seconds < 60


def test_of_a_packed_part_only_the_end_is_kept(tmp_path):
    log = tmp_path / "training.log"
    append(log, b"".join(b"line %d of a long part\n" % line for line in range(100_000)))
    pack(move(log, 1))
    append(log, b"new\n")
    assert tail(log, 3).lines == ["line 99998 of a long part", "line 99999 of a long part", "new"]
    lines = tail(log, 99_000).lines
    assert KEPT / 30 < len(lines) < KEPT / 20
    assert lines == [*(f"line {number} of a long part" for number in range(100_001 - len(lines), 100_000)), "new"]
    archived = log.parent / "logs" / "training.log.gz"
    list_parts(log)[0].rename(archived)
    assert tail(archived, 1).lines == ["line 99999 of a long part"]


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)]
)
def test_nobody_waits_for_what_is_no_file(tmp_path, make):
    make(tmp_path / "a.log")
    with pytest.raises(OSError, match=r"a\.log"):
        tail(tmp_path / "a.log")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda part: part.symlink_to(part)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_part_that_cannot_be_read_is_left_out(tmp_path, make, suffix):
    log = tmp_path / "training.log"
    append(log, b"one\n")
    move(log, 1)
    make(log.parent / "logs" / f"training.0002.log{suffix}")
    append(log, b"three\n")
    assert tail(log).lines == ["one", "three"]
    (log.parent / "logs").rename(tmp_path / "aside")
    (log.parent / "logs").symlink_to("logs")
    assert tail(log).lines == ["three"]
