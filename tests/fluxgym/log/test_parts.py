"""The files of a log in their order, packed or not, whole or damaged."""

import gzip

import pytest

from fluxgym.log.parts import find_parts, is_gone, list_parts, open_part, read_part, seek_part

from .rotated import append, move, pack


@pytest.fixture
def log(tmp_path):
    return tmp_path / "training.log"


def names(paths):
    return [path.name for path in paths]


def test_the_parts_in_order_the_live_one_last(log):
    assert list_parts(log) == []
    for number in range(1, 4):
        append(log, b"%d\n" % number)
        part = move(log, number)
        if number != 2:
            pack(part)
    assert names(list_parts(log)) == ["training.0001.log.gz", "training.0002.log", "training.0003.log.gz"]
    append(log, b"4\n")
    assert names(list_parts(log)) == ["training.0001.log.gz", "training.0002.log", "training.0003.log.gz", "training.log"]
    read = [read_part(open_part(part), 99) for part in list_parts(log)]
    assert read == [b"1\n", b"2\n", b"3\n", b"4\n"]


def test_other_files_in_the_folder_are_no_parts(log):
    append(log, b"1\n")
    move(log, 1)
    for name in ("training.0002.log.gz.new", "training.log", "monitor.0001.log", "training.x.log", "20261124-100000"):
        (log.parent / "logs" / name).touch()
    assert names(find_parts(log).values()) == ["training.0001.log"]
    assert names(find_parts(log.with_name("monitor.log")).values()) == ["monitor.0001.log"]


def test_a_part_that_is_packed_while_it_is_opened(log):
    append(log, b"1\n")
    part = move(log, 1)
    pack(part)
    assert read_part(open_part(part), 99) == b"1\n"
    packed = part.with_name(f"{part.name}.gz")
    part.write_bytes(b"1\n")  # killed after it was packed and before it was taken away
    assert names(find_parts(log).values()) == ["training.0001.log"]
    packed.unlink()
    part.unlink()
    with pytest.raises(FileNotFoundError):
        open_part(part)


def test_an_archived_log_is_its_own_last_part(tmp_path):
    for name, text in (("training.0001.log.gz", b"1\n"), ("training.0002.log.gz", b"2\n"), ("training.log.gz", b"3\n")):
        (tmp_path / name).write_bytes(gzip.compress(text))
    log = tmp_path / "training.log.gz"
    assert names(list_parts(log)) == ["training.0001.log.gz", "training.0002.log.gz", "training.log.gz"]
    log.unlink()  # a start that was killed in the middle of moving the log left none
    assert names(list_parts(log)) == ["training.0001.log.gz", "training.0002.log.gz"]


def test_of_a_damaged_part_the_beginning_is_read(log):
    whole = b"".join(b"line %d\n" % number for number in range(100_000))
    append(log, whole)
    packed = pack(move(log, 1))
    packed.write_bytes(packed.read_bytes()[:-5000])
    file, read = open_part(packed), b""
    while data := read_part(file, 10_000):
        read += data
    assert whole.startswith(read)
    assert len(read) > len(whole) / 2
    assert not seek_part(open_part(packed), len(whole))
    packed.write_bytes(b"no packed file")
    assert read_part(open_part(packed), 99) == b""
    assert not seek_part(open_part(packed), 5)
    packed.write_bytes(b"")
    assert read_part(open_part(packed), 99) == b""


def test_a_place_in_a_part(log):
    append(log, b"0123456789")
    part = move(log, 1)
    for path in (part, pack(part)):
        file = open_part(path)
        assert seek_part(file, 10)
        assert not seek_part(file, 11)
        assert seek_part(file, 4)
        assert read_part(file, 99) == b"456789"


def test_a_log_is_gone_when_nothing_of_it_is_there(tmp_path):
    log = tmp_path / "run" / "training.log"
    assert not is_gone(log), "the disk may be away"
    log.parent.mkdir()
    assert is_gone(log)
    (log.parent / "logs").mkdir()
    (log.parent / "logs" / "training.0001.log.gz").touch()
    assert not is_gone(log)
    (log.parent / "logs" / "training.0001.log.gz").unlink()
    log.symlink_to(log)
    assert not is_gone(log), "it cannot be read, for a moment"
