"""Folders of others on the pages: opened by a path, shown like any run, never touched, forgotten again."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fluxgym.run.folders import list_opened
from fluxgym.run.launch import wait_for_end
from fluxgym.view.opening import open_folder
from tests.conftest import HOSTILE_NAMES
from tests.pages.opened import open_page, press, primary, told
from trainer.folder import RunFolder

TABS = ["Progress", "Samples", "Checkpoints", "Log", "Settings"]
DOING = {
    "Stop",
    "Remove",
    "Resume",
    "Another like this",
    "Train longer",
    "Save now",
    "Sample now",
    "Move up",
    "Start next",
    "Delete",
}
KOHYA = "running training\n  num epochs / x: 4\n" + "".join(
    f"\rsteps:  50%|##### | {step}/40 [01:00<01:00,  3.00s/it, avr_loss=0.5]" for step in range(1, 21)
)
RECORDING = Path(__file__).parent.parent / "recordings" / "flux-mini.log.gz"


def make_kohya(path: Path) -> Path:
    (path / "sample").mkdir(parents=True)
    (path / "train.log").write_text(KOHYA)
    (path / "x.safetensors").write_bytes(b"no lora")
    Image.new("RGB", (32, 32)).save(path / "sample" / "x_e000004_00_20261124101502_42.png")
    return path


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    return {each: (each.stat().st_mtime_ns, each.stat().st_size) for each in [path, *path.rglob("*")]}


def labels(page: object) -> set[str]:
    return {button.label for button in page.button}  # type: ignore[attr-defined]


def test_a_path_opens_the_folder(outputs: Path, tmp_path: Path) -> None:
    path = make_kohya(tmp_path / "kohya")
    page = press(open_page("runs"), "Open a folder")
    page.text_input(key="open-path").set_value(str(path))
    press(page, "Open")
    assert page.title[0].value == "kohya"
    assert f"Opened to be read, nothing is written into it: {path}" in told(page)
    assert "Its log ends at step 20 of 40" in told(page)
    assert [folder.path for folder in list_opened()] == [path]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", "Got no path"), ("/nowhere/x", "Got the path '/nowhere/x', expected a folder that is there")],
)
def test_a_path_that_leads_nowhere_says_so_in_the_dialog(outputs: Path, said: str, expected: str) -> None:
    page = press(open_page("runs"), "Open a folder")
    page.text_input(key="open-path").set_value(said)
    press(page, "Open")
    assert page.title[0].value == "Active Training Sessions"
    assert expected in page.session_state["open-refusal"], "the dialog, which is drawn alone then, shows it"
    assert list_opened() == []


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_shows_it_and_changes_nothing(outputs: Path, tmp_path: Path, tab: str) -> None:
    path = make_kohya(tmp_path / "kohya")
    before = stamps(path)
    page = open_page("run", run=open_folder(str(path)).name, tab=tab)
    assert page.title[0].value == "kohya"
    assert labels(page) & DOING == set()
    assert primary(page) == []
    assert stamps(path) == before


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("options", [(), ("--end-at", "3", "--code", "1")], ids=["completed", "failed"])
def test_a_run_of_fluxgym_from_elsewhere_is_only_read_too(
    start_small: Callable[..., RunFolder], tmp_path: Path, options: tuple[str, ...], tab: str
) -> None:
    folder = start_small(*options, name="small")
    wait_for_end(folder, 30)
    path = folder.path.rename(tmp_path / "theirs")
    before = stamps(path)
    page = open_page("run", run=open_folder(str(path)).name, tab=tab)
    assert ("Failed" if options else "Completed") in told(page)
    assert labels(page) & DOING == set()
    assert stamps(path) == before


def test_the_runs_page_lists_what_was_opened_and_forgets_it(outputs: Path, tmp_path: Path) -> None:
    path = make_kohya(tmp_path / "kohya")
    open_folder(str(path))
    page = open_page("runs")
    assert [part.value for part in page.subheader] == ["Opened folders"]
    assert str(path) in told(page)
    press(page, "Forget")
    assert list_opened() == []
    assert not page.subheader
    assert (path / "x.safetensors").is_file()


def test_what_was_noted_of_it_is_not_forgotten_unasked(outputs: Path, tmp_path: Path) -> None:
    folder = open_folder(str(make_kohya(tmp_path / "kohya")))
    folder.board.write_text("{}")
    page = press(open_page("runs"), "Forget")
    assert "The stars and notes that you gave its checkpoints here are deleted" in told(page)
    assert list_opened() == [folder]
    press(page, "Forget it")
    assert list_opened() == []


def test_a_folder_that_is_gone_says_so(outputs: Path, tmp_path: Path) -> None:
    path = make_kohya(tmp_path / "kohya")
    key = open_folder(str(path)).name
    path.rename(tmp_path / "elsewhere")
    assert "is not there any more" in told(open_page("runs"))
    page = open_page("run", run=key)
    assert f"This folder is not there any more: {path}" in told(page)
    press(page, "Forget")
    assert page.title[0].value == "Active Training Sessions"


def test_a_real_log_in_a_folder_with_a_hostile_name(outputs: Path, tmp_path: Path) -> None:
    path = tmp_path / HOSTILE_NAMES["command"]
    path.mkdir()
    (path / "train.log").write_bytes(gzip.decompress(RECORDING.read_bytes()))
    page = open_page("run", run=open_folder(str(path)).name)
    assert page.title[0].value.replace("\\", "") == path.name
    assert "Completed" in told(page)
