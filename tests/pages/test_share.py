"""Sharing on the pages: the button of each run, its dialog over the page, all links on the Settings page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.access.links import list_links, make_link
from fluxgym.run.folders import list_opened
from fluxgym.run.launch import stop_run
from fluxgym.view.opening import open_folder
from tests.pages.opened import open_page, press, primary, told
from trainer.folder import RunFolder


def told_url(page: AppTest) -> str:
    """The address that the dialog shows as such; empty where it shows none."""
    sent = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return next((each["url"] for each in sent if "svg" in each), "")


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text("Epoch 1/2\n", encoding="utf-8")
    return folder


@pytest.fixture
def theirs(outputs: Path, tmp_path: Path) -> RunFolder:
    """The folder of another tool, opened to be read."""
    path = tmp_path / "kohya"
    path.mkdir()
    (path / "train.log").write_text("epoch 1/2\n", encoding="utf-8")
    return open_folder(str(path))


def test_a_run_under_way_is_shared_and_the_dialog_outlives_its_end(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small("--steps", "100000", "--pause", "0.02", name="small")
    page = press(open_page("run", run="small"), "Share")
    assert primary(page) == ["Make a link"]
    press(page, "Make a link")
    url = told_url(page)
    stop_run(folder, wait=30)
    page.run()
    assert ":material/stop_circle: Stopped" in told(page)
    assert told_url(page) == url
    [link] = list_links(folder)
    assert link.is_valid()


def test_looking_at_another_page_closes_it(run: RunFolder) -> None:
    page = press(press(open_page("run", run="small"), "Share"), "Make a link")
    page.switch_page("pages/runs.py").run()
    page.switch_page("pages/run.py").run()
    assert page.title[0].value == "small"
    assert told_url(page) == ""
    assert "Links to this run" not in told(page)


def test_an_opened_folder_is_shared_without_a_trace_in_it(theirs: RunFolder) -> None:
    before = sorted(theirs.path.iterdir())
    page = press(press(open_page("run", run=theirs.name), "Share"), "Make a link")
    assert told_url(page)
    assert sorted(theirs.path.iterdir()) == before
    assert len(list_links(theirs)) == 1


def test_to_forget_a_folder_ends_its_links_and_asks_before(theirs: RunFolder) -> None:
    make_link(theirs)
    page = press(open_page("runs"), "Forget")
    assert "The links to it end." in told(page)
    assert "stars" not in told(page)
    assert list_opened() == [theirs]
    press(page, "Forget it")
    assert list_opened() == []
    assert not theirs.share.exists()


def test_a_folder_that_is_gone_cannot_be_shared(theirs: RunFolder) -> None:
    theirs.path.rename(theirs.path.with_name("elsewhere"))
    page = open_page("run", run=theirs.name)
    assert "Share" not in [button.label for button in page.button]


def test_the_settings_page_lists_links_and_has_one_primary_button(run: RunFolder, theirs: RunFolder) -> None:
    make_link(run, label="Ana")
    make_link(theirs, label="Bo")
    page = open_page("settings")
    assert "small: Ana" in told(page)
    assert "kohya: Bo" in told(page)
    assert primary(page) == ["Add"]
    press(page, "Revoke")
    assert "Revoked: Bo." in told(page)
    assert (len(list_links(run)), list_links(theirs)) == (1, [])


def test_a_run_can_be_had_as_one_file_with_what_is_ticked(run: RunFolder) -> None:
    page = press(open_page("run", run="small"), "Share")
    (button,) = [each.proto for each in page.get("link_button") if each.proto.url.startswith("freeze/")]
    assert button.url == "freeze/small.html?without=settings", "as a link does"
    next(box for box in page.checkbox if box.key == "freeze-settings:small").check().run()
    (button,) = [each.proto for each in page.get("link_button") if each.proto.url.startswith("freeze/")]
    assert button.url == "freeze/small.html"
