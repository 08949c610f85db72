"""The logs of earlier starts: listed, made now, deleted; never those of a run under way, and nothing but logs."""

import time

import pytest

from fluxgym.log.history import History
from fluxgym.log.parts import list_parts
from fluxgym.run.archive import archive
from fluxgym.run.launch import RunError, RunIsActive, resume_run, stop_run, wait_for_end
from fluxgym.run.old_logs import archive_log, delete, find_moved, find_older, list_archived
from fluxgym.run.status import read_status
from tests.fluxgym.log.rotated import append, move
from tests.small_training import write_lora, write_state
from trainer.folder import RunFolder


@pytest.fixture
def folder(outputs):
    folder = RunFolder(outputs / "a")
    folder.path.mkdir()
    return folder


def start_over(folder, days_ago, text="line\n"):
    """An earlier start that was archived so many days ago."""
    append(folder.training_log, text.encode())
    when = time.localtime(time.time() - days_ago * 86400 - 5)
    return archive(folder).rename(folder.old_logs / time.strftime("%Y%m%d-%H%M%S", when))


def test_what_was_archived_the_latest_first(folder):
    assert list_archived(folder) == []
    append(folder.training_log, b"one\n")
    move(folder.training_log, 1)
    write_lora(folder.lora)
    write_state(folder.path, 3)
    old = start_over(folder, 9)
    folder.samples.mkdir()
    (folder.samples / "a.png").touch()
    new = start_over(folder, 2)
    (folder.old_logs / "config-20261124-100000.toml").touch()
    (folder.old_logs / "other").mkdir()
    first, second = list_archived(folder)
    assert [first.path, second.path] == [new, old]
    assert (first.keeps, second.keeps) == ("1 sample", "1 LoRA file, 1 state")
    assert abs(time.time() - 2 * 86400 - first.archived) < 60
    assert [path.name for path in second.files] == ["training.0001.log.gz", "training.log.gz"]
    assert second.size == sum(path.stat().st_size for path in second.files)


def test_only_logs_that_are_old_enough_are_deleted_and_nothing_else(folder):
    write_lora(folder.lora)
    oldest, old, new = start_over(folder, 40), start_over(folder, 31), start_over(folder, 3)
    append(folder.training_log, b"now\n")
    assert [each.path for each in find_older(folder, 30)] == [old, oldest]
    assert [each.path for each in delete(folder, 30)] == [old, oldest]
    assert [path.name for path in oldest.iterdir()] == ["a.safetensors"]
    assert (old.exists(), list(new.iterdir()) != [], folder.training_log.read_text()) == (False, True, "now\n")
    assert [each.path for each in list_archived(folder)] == [new, oldest]
    assert [each.path for each in delete(folder)] == [new]
    assert delete(folder) == []


def test_the_log_of_an_ended_run_is_archived_and_a_resume_begins_a_new_one(outputs, start_small):
    folder = start_small("--steps", "6", "--end-at", "3", "--state-at", "3", "--code", "3")
    assert wait_for_end(folder, 20).state == "failed"
    archived = archive_log(folder)
    assert read_status(folder).state == "failed"
    assert list_parts(folder.training_log) == []
    history = History(archived.log)
    history.update()
    assert (history.step, [each.path for each in list_archived(folder)]) == (3, [archived.path])
    with pytest.raises(RunError, match=r"small has no training\.log, so there is nothing to archive"):
        archive_log(folder)
    resume_run(folder)
    assert wait_for_end(folder, 20).state == "completed"
    assert "=== Attempt 2" in folder.training_log.read_text()


def test_a_run_under_way_is_left_alone(outputs, start_small, wait_until):
    folder = start_small("--steps", "20000")
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    for ask in (archive_log, delete):
        with pytest.raises(RunIsActive, match="small is under way"):
            ask(folder)
    assert folder.training_log.stat().st_size
    stop_run(folder, wait=20)


def test_which_archived_log_is_that_of_the_run_as_it_is(folder):
    assert find_moved(folder) is None
    append(folder.training_log, b"old\n")
    folder.record.write_text("{}")
    archive(folder)  # by a fresh start
    assert find_moved(folder) is None
    append(folder.training_log, b"new\n")
    folder.record.write_text("{}")
    archived = archive_log(folder)
    assert (find_moved(folder), archived.log.exists()) == (archived, True)
    append(folder.training_log, b"newer\n")
    assert find_moved(folder) is None, "a resume began another"
    folder.training_log.unlink()
    before = folder.path.stat().st_mtime_ns
    delete(folder)
    assert find_moved(folder) is None
    assert folder.path.stat().st_mtime_ns > before, "who keeps what was told of it reads it again"
