"""Opening folders by what a person types: what is opened, what is refused and why, and that nothing is written into one."""

import os
from pathlib import Path

import pytest

from fluxgym.run.folders import find_run, list_opened, log_of
from fluxgym.run.opened import OpenedFolder
from fluxgym.view.opening import NotOpened, look_again, open_folder
from tests.conftest import HOSTILE_NAMES

BAR = "steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.5]\n"


def make(path: Path, name: str = "train.log", text: str = BAR) -> Path:
    path.mkdir(exist_ok=True)
    (path / name).write_text(text)
    return path


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    return {each: (each.stat().st_mtime_ns, each.stat().st_size) for each in [path, *path.rglob("*")]}


def test_a_folder_with_a_log_is_opened_and_left_as_it_is(outputs: Path, tmp_path: Path) -> None:
    path = make(tmp_path / "kohya")
    before = stamps(path)
    folder = open_folder(str(path))
    assert isinstance(folder, OpenedFolder)
    assert (folder.path, log_of(folder)) == (path, path / "train.log")
    assert list_opened() == [folder] == [find_run(folder.name)]
    assert stamps(path) == before


@pytest.mark.parametrize("said", ["{}", " {}\n", '"{}"', "'{}'", "{}/", "{}/../kohya"])
def test_a_path_as_people_paste_it(outputs: Path, tmp_path: Path, said: str) -> None:
    path = make(tmp_path / "kohya")
    assert open_folder(said.format(path)).path == path


def test_the_home_folder(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = make(tmp_path / "kohya")
    assert open_folder("~/kohya").path == path


def test_a_folder_that_holds_only_a_lora(outputs: Path, tmp_path: Path) -> None:
    assert isinstance(open_folder(str(make(tmp_path / "a", "x.safetensors"))), OpenedFolder)
    (tmp_path / "b").mkdir()
    make(tmp_path / "b" / "checkpoint-500", "pytorch_lora_weights.safetensors")
    assert isinstance(open_folder(str(tmp_path / "b")), OpenedFolder)


def test_a_run_of_ours_stays_one(outputs: Path) -> None:
    path = make(outputs / "mine", "training.log")
    folder = open_folder(str(path))
    assert (folder.name, folder.is_read_only, list_opened()) == ("mine", False, [])


def test_a_link_and_what_it_leads_to_are_one(outputs: Path, tmp_path: Path) -> None:
    path = make(tmp_path / "kohya")
    (tmp_path / "link").symlink_to(path)
    assert open_folder(str(tmp_path / "link")) == open_folder(str(path))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "got no path"),
        ("  ", "got no path"),
        ("{}/kohia", r"kohia is not in it; did you mean .*/kohya\?"),
        ("{}/kohya/deeper/still", "/kohya is, deeper is not in it"),
        ("{}/kohya/train.log", "got the file .*/train.log, expected a folder; its own is .*/kohya"),
        ("{}/empty", "or LoRA files .*; it is empty"),
        ("{}/pictures", "expected a log in it: .*; it holds 0.png, 1.png, 2.png and 2 more"),
        ("~nobody-of-this-name/x", "expected a folder that is there"),
        ("a\0b", "expected a folder that is there"),
        ("x" * 5000, r"x\.\.\. \(5000 characters\)"),
    ],
)
def test_what_cannot_be_opened_says_why(outputs: Path, tmp_path: Path, said: str, expected: str) -> None:
    make(tmp_path / "kohya")
    (tmp_path / "empty").mkdir()
    for number in range(5):
        make(tmp_path / "pictures", f"{number}.png")
    with pytest.raises(NotOpened, match=expected):
        open_folder(said.format(tmp_path))
    assert list_opened() == []


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES.values() if name.strip() and "/" not in name])
def test_folders_of_any_name(outputs: Path, tmp_path: Path, name: str) -> None:
    """Opened where such a folder can be, refused in one sentence otherwise."""
    if name == ".." or "\0" in name or len(name) > 255:
        with pytest.raises(NotOpened):
            open_folder(str(tmp_path / "none" / name / "none"))
        return
    folder = open_folder(str(make(tmp_path / name)))
    assert folder.title == name
    assert find_run(folder.name) == folder


def test_a_folder_that_may_not_be_read(outputs: Path, tmp_path: Path) -> None:
    path = make(tmp_path / "locked")
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(NotOpened, match="Permission denied"):
            open_folder(str(path))
    finally:
        path.chmod(0o700)


@pytest.mark.parametrize("name", ["run.json", "config.toml", "config.yaml", "train.log", "a.safetensors", "run.lock"])
def test_pipes_and_devices_in_place_of_files_are_refused(outputs: Path, tmp_path: Path, name: str) -> None:
    """Reading one would never end."""
    path = make(tmp_path / "kohya", "log.txt")
    os.mkfifo(path / name)
    with pytest.raises(NotOpened, match=f"in which {name} is a pipe or a device, expected a file"):
        open_folder(str(path))
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")
    with pytest.raises(NotOpened, match=f"in which {name} is a pipe or a device"):
        open_folder(str(path))
    (path / name).unlink()
    (path / name).symlink_to(tmp_path / "nowhere")
    assert open_folder(str(path)).path == path


def test_a_run_that_has_not_begun_to_write_its_log(outputs: Path, tmp_path: Path) -> None:
    folder = open_folder(str(make(tmp_path / "waits", "run.json", "{}")))
    assert folder.is_read_only


def test_a_log_behind_very_many_files(outputs: Path, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    for number in range(25_000):
        (path / f"{number}.txt").touch()
    log = make(path, "zz.log") / "zz.log"
    assert log_of(open_folder(str(path))) == log


def test_a_log_that_came_later_is_found_at_the_next_look(outputs: Path, tmp_path: Path) -> None:
    folder = open_folder(str(make(tmp_path / "a", "x.safetensors")))
    assert isinstance(folder, OpenedFolder)
    assert look_again(folder) == folder
    make(folder.path, "train.log")
    assert log_of(look_again(folder)) == folder.path / "train.log"
    assert log_of(find_run(folder.name)) == folder.path / "train.log"
