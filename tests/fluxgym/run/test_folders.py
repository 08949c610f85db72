"""Where runs are found, and that a name never leads out of there."""

import os

import pytest

from fluxgym.run.folders import (
    PROJECT,
    NoSuchRun,
    find_run,
    free_name,
    has_run,
    is_text,
    list_runs,
    outputs_root,
    run_at,
    shown_path,
    touch_root,
)
from fluxgym.run.opened import remember
from tests.files_read import files_read
from trainer.folder import RunFolder


def make(outputs, name, file="config.toml", when=1000):
    (outputs / name).mkdir()
    (outputs / name / file).write_text("")
    os.utime(outputs / name / file, (when, when))


def test_root(monkeypatch, tmp_path):
    monkeypatch.delenv("FLUXGYM_OUTPUTS", raising=False)
    assert outputs_root() == PROJECT / "outputs"
    monkeypatch.setenv("FLUXGYM_OUTPUTS", str(tmp_path))
    assert outputs_root() == tmp_path
    monkeypatch.setenv("FLUXGYM_OUTPUTS", "")
    assert outputs_root() == PROJECT / "outputs"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLUXGYM_OUTPUTS", "~/runs")
    assert outputs_root() == tmp_path / "runs"
    assert shown_path(PROJECT / "outputs" / "a") == "outputs/a"
    assert shown_path(tmp_path) == str(tmp_path)


def test_newest_first(outputs):
    make(outputs, "old", "run.json", 1000)
    make(outputs, "new", "training.log", 3000)
    make(outputs, "by hand", "config.toml", 2000)
    make(outputs, "kohya", "train.log", 500)
    make(outputs, "sd-scripts", "log.txt", 400)
    make(outputs, ".hidden")
    make(outputs, "pictures", "a.png")
    (outputs / "config.toml").write_text("")
    assert [folder.name for folder in list_runs()] == ["new", "by hand", "old", "kohya", "sd-scripts"]


def test_no_root(monkeypatch, tmp_path):
    monkeypatch.setenv("FLUXGYM_OUTPUTS", str(tmp_path / "gone"))
    assert list_runs() == []


def test_find(outputs):
    make(outputs, "my-lora")
    assert find_run("my-lora").path == outputs / "my-lora"
    with pytest.raises(NoSuchRun, match="did you mean my-lora"):
        find_run("my-lara")


def test_a_name_is_found_without_looking_at_all_folders_again(outputs, monkeypatch):
    make(outputs, "robot")
    make(outputs, "pictures", "a.png")
    os.utime(outputs, (1000, 1000))
    assert has_run("robot")

    def look():
        assert find_run("robot").path == outputs / "robot"
        assert not has_run("pictures")
        assert free_name("robot") == "robot-2"

    assert {*files_read(outputs, look)} == {str(outputs)}, "it is opened to be asked for its time"
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda _: pytest.fail("it is listed again"))
        look()
    (outputs / "robot-2").mkdir()
    (outputs / "robot-2" / "training.log").touch()
    assert free_name("robot") == "robot-3"
    (outputs / "robot" / "config.toml").unlink()
    assert not has_run("robot")


def test_a_run_is_found_by_where_it_lies(outputs, tmp_path):
    make(outputs, "robot")
    make(tmp_path, "elsewhere")
    make(tmp_path, "stranger")
    (outputs / "link").symlink_to(tmp_path / "elsewhere")
    assert run_at(outputs / "robot") == RunFolder(outputs / "robot")
    assert run_at(tmp_path / "elsewhere") == RunFolder(outputs / "link")
    assert run_at(tmp_path / "stranger") is None
    assert run_at(outputs / "no-run") is None


def test_only_our_own_root_is_touched(outputs, tmp_path):
    make(outputs, "robot")
    make(tmp_path, "theirs")
    for folder in (RunFolder(outputs / "robot"), remember(outputs / ".opened", tmp_path / "theirs", None)):
        os.utime(folder.path.parent, (1000, 1000))
        touch_root(folder)
    assert outputs.stat().st_mtime > 1000
    assert tmp_path.stat().st_mtime == 1000


@pytest.mark.parametrize(
    ("count", "said"), [(0, "there are 0 runs there"), (1, "there is 1 run there"), (2, "there are 2 runs")]
)
def test_a_name_like_no_other_is_told_how_many_there_are(outputs, count, said):
    for number in range(count):
        make(outputs, f"my-lora-{number}")
    with pytest.raises(NoSuchRun, match=said):
        find_run("xyz")


def test_hostile_names_lead_nowhere(outputs, hostile_name):
    make(outputs, "my-lora")
    with pytest.raises(NoSuchRun) as caught:
        find_run(hostile_name)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("name", "said"), [(b"robot", True), ("r\u00f6bot \U0001f600".encode(), True), (b"r\xf6bot", False)])
def test_a_name_that_is_text(name, said):
    assert is_text(os.fsdecode(name)) == said
