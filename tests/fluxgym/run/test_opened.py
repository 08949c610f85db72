"""Opened folders: what is remembered, by which name they are found, and that nothing is ever written into one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgym.run.asking import ask_sample, ask_save, move_run
from fluxgym.run.folders import NoSuchRun, find_run, list_opened, list_runs, log_of, opened_root, roots_of
from fluxgym.run.launch import OnlyToRead, resume_now, resume_run, start_run, stop_run
from fluxgym.run.old_logs import archive_log, delete
from fluxgym.run.opened import OpenedFolder, forget, make_key, read_opened, remember
from fluxgym.run.record import begin_attempt, write_record
from tests.conftest import HOSTILE_NAMES
from trainer.folder import NAME, RunFolder

NAMES = [name for name in HOSTILE_NAMES.values() if name not in ("", "..") and "/" not in name and "\0" not in name]


def open_it(path: Path, log: str | None = None) -> OpenedFolder:
    path.mkdir(exist_ok=True)
    return remember(opened_root(), path, path / log if log else None)


@pytest.mark.parametrize("name", [*NAMES, "\udcff", "..."])
def test_a_key_fits_an_address_and_is_no_name_of_a_run(name: str) -> None:
    key = make_key(Path("/somewhere") / name)
    key.encode()  # no half characters, as a file system may have them
    assert not set(key) & set("/\\ \n\"'<>&?#%\0,;")
    assert key.count("~") == 1
    assert not NAME.fullmatch(key)
    assert not key.startswith(".")
    assert len(key.encode()) < 255


def test_two_folders_of_one_name_have_two_keys() -> None:
    assert make_key(Path("/a/lora")) != make_key(Path("/b/lora"))
    assert make_key(Path("/a/lora")) == make_key(Path("/a/lora"))


def test_it_is_found_by_its_key_and_is_no_run(outputs: Path, tmp_path: Path) -> None:
    folder = open_it(tmp_path / "my lora", "train.log")
    assert find_run(folder.name) == folder
    assert list_opened() == [folder]
    assert list_runs() == []
    assert (folder.title, folder.is_read_only, log_of(folder)) == ("my lora", True, tmp_path / "my lora" / "train.log")
    with pytest.raises(NoSuchRun):
        find_run("my lora")


def test_without_a_log_there_is_a_place_for_one(outputs: Path, tmp_path: Path) -> None:
    assert log_of(open_it(tmp_path / "a")) == tmp_path / "a" / "training.log"


def test_what_is_kept_of_it_lies_elsewhere(outputs: Path, tmp_path: Path) -> None:
    folder = open_it(tmp_path / "a")
    for kept in (folder.thumbnails, folder.board):
        assert kept.is_relative_to(outputs / ".opened" / folder.name)
    assert roots_of(folder) == [tmp_path / "a", folder.kept]
    assert roots_of(RunFolder(outputs)) == [outputs]
    assert list((tmp_path / "a").iterdir()) == []


def test_the_last_opened_is_first_and_one_that_is_gone_stays_known(outputs: Path, tmp_path: Path) -> None:
    first, second = open_it(tmp_path / "a"), open_it(tmp_path / "b")
    assert list_opened() == [second, first]
    open_it(tmp_path / "a")
    (tmp_path / "a").rmdir()
    assert list_opened() == [first, second]


def test_forgetting_leaves_the_folder_alone(outputs: Path, tmp_path: Path) -> None:
    folder = open_it(tmp_path / "a")
    (folder.path / "x.safetensors").touch()
    folder.board.write_text("{}")
    forget(folder)
    assert list_opened() == []
    assert [path.name for path in folder.path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("spoiled", ["", "[]", "{}", '{"path": 1, "log": null, "opened": 1}', None])
def test_a_memo_that_cannot_be_read_is_none(outputs: Path, tmp_path: Path, spoiled: str | None) -> None:
    folder = open_it(tmp_path / "a")
    memo = folder.kept / "opened.json"
    if spoiled is None:  # it names another folder than its key does
        spoiled = json.dumps(json.loads(memo.read_text()) | {"path": "/etc"})
    memo.write_text(spoiled)
    assert read_opened(opened_root()) == []


def test_names_of_any_bytes_are_kept(outputs: Path, tmp_path: Path) -> None:
    folder = open_it(tmp_path / "\udcff")
    assert list_opened() == [folder]


VERBS = {
    "start": lambda folder: start_run(folder, ["true"]),
    "resume": resume_run,
    "stop": stop_run,
    "resume now": resume_now,
    "move": lambda folder: move_run(folder, -1),
    "save": ask_save,
    "sample": ask_sample,
    "archive": archive_log,
    "delete": delete,
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_it_refuses_everything(outputs: Path, tmp_path: Path, verb: Callable[[RunFolder], object]) -> None:
    theirs = RunFolder(tmp_path / "theirs")
    theirs.path.mkdir()
    write_record(theirs, begin_attempt(theirs, None, ["x"]).to("running"))
    theirs.training_log.touch()
    opened = open_it(theirs.path)
    before = {path: path.stat().st_mtime_ns for path in theirs.path.iterdir()}
    with pytest.raises(OnlyToRead, match="theirs, which was opened to be read, expected a run of"):
        verb(opened)
    assert {path: path.stat().st_mtime_ns for path in theirs.path.iterdir()} == before
