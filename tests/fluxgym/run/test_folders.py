"""Where runs are found, and that a name never leads out of there."""

import os

import pytest

from fluxgym.run.folders import PROJECT, NoSuchRun, find_run, is_text, list_runs, outputs_root, shown_path


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
