"""Files with secrets: their owner's alone, whole, changed by one at a time, also after a writer that was killed."""

import json
import threading

import pytest

from fluxgym.run.private_file import hold_private, write_private


def test_it_is_its_owners_alone_and_so_is_a_folder_that_was_made_for_it(tmp_path):
    path = tmp_path / "settings" / "fluxgym" / "secret.json"
    with hold_private(path):
        write_private(path, {"key": "x"})
    assert json.loads(path.read_text()) == {"key": "x"}
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path):
    path = tmp_path / "secret.json"
    (tmp_path / "secret.json.new").write_text("half")
    with hold_private(path):
        write_private(path, {})
    assert path.read_text() == "{}" and not (tmp_path / "secret.json.new").exists()


def test_a_full_disk_leaves_what_was_there(tmp_path, full_disk):
    path = tmp_path / "secret.json"
    with hold_private(path):
        write_private(path, {"key": "old"})
        with full_disk(), pytest.raises(OSError):
            write_private(path, {"key": "new"})
    assert json.loads(path.read_text()) == {"key": "old"}


def test_changes_by_many_are_all_kept(tmp_path):
    path = tmp_path / "secret.json"
    write_private(path, {"count": 0})

    def add() -> None:
        for _ in range(20):
            with hold_private(path):
                write_private(path, {"count": json.loads(path.read_text())["count"] + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(path.read_text()) == {"count": 80}
