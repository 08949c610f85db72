"""Reading what is new in a file that grows, shrinks, is replaced or goes away."""

from fluxgym.log.follow import Follower, Source


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
