"""The place to drop files on in a real Chromium: folders and zips, what is refused, what is there already."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from fluxgym.dataset.sets import make_set
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def cat(outputs: Path) -> Path:
    return make_set("cat")


def draw(path: Path, colour: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def colour_of(path: Path) -> object:
    return Image.open(path).getpixel((0, 0))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with folders in it, what macOS leaves and what is no image."""
    folder = tmp_path / "photos"
    draw(folder / "one" / "1.png", "red")
    (folder / "one" / "1.txt").write_bytes("caf\u00e9".encode("latin-1"))
    draw(folder / "two" / "1.png", "blue")
    (folder / "two" / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "blue"}')
    (folder / ".DS_Store").write_text("junk")
    (folder / "page.png").write_text("<!doctype html><b>")
    return folder


def test_folders_zips_and_files_that_are_there(
    page: Page, server: Server, cat: Path, photos: Path, tmp_path: Path, wait_until: Callable[..., object]
) -> None:
    page.goto(f"{server.url}/datasets?set=cat")
    files, folders = (page.locator(".fluxgym-drop input").nth(number) for number in (0, 1))
    told = page.locator(".fluxgym-drop .told")

    folders.set_input_files(photos)
    expect(told).to_contain_text("4 files added.")
    expect(told).to_contain_text("one/1.txt was written in Windows-1252, it is UTF-8 now")
    refused = re.compile(r"^(photos/)?page\.png cannot be opened as an image: it is a web page")
    expect(told.locator("p.bad")).to_have_text(refused)
    assert names(cat) == ["1.png", "1.txt", "two_1.png", "two_1.txt"]
    expect(page.get_by_label("Caption of 1.png", exact=True)).to_have_value("caf\u00e9")
    expect(page.get_by_text("2 images, 2 with a caption")).to_be_visible()

    # once more: nothing is written; a person's caption stays
    page.get_by_label("Caption of 1.png", exact=True).fill("mine")
    wait_until(lambda: (cat / "1.txt").read_text() == "mine\n", 20)
    folders.set_input_files(photos)
    expect(told).to_contain_text("3 files were here already.")
    expect(told).to_contain_text("1 file left out, something else is here under this name: 1.txt")
    assert (cat / "1.txt").read_text() == "mine\n"

    # a zip whose image has a name that is taken: beside it, then in its place
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(draw(tmp_path / "green.png", "green"), "x/1.png")
        archive.writestr("x/1.txt", "green")
        archive.writestr("../evil.png", b"x")
    files.set_input_files(tmp_path / "more.zip")
    expect(told).to_contain_text("2 files left out, something else is here under these names")
    expect(told).to_contain_text("../evil.png: got a name that leads out of the zip")
    told.get_by_role("button", name="Add beside").click()
    expect(told).to_contain_text("2 files added.")
    assert (colour_of(cat / "1.png"), colour_of(cat / "x_1.png")) == ((255, 0, 0), (0, 128, 0))
    assert ((cat / "1.txt").read_text(), (cat / "x_1.txt").read_text()) == ("mine\n", "green\n")
    draw(tmp_path / "again" / "two_1.png", "white")
    (tmp_path / "again" / "two_1.caption").write_text("white")
    files.set_input_files([tmp_path / "again" / name for name in ("two_1.caption", "two_1.png")])
    expect(told).to_contain_text("2 files left out, something else is here under these names")
    assert "two_1.caption" not in names(cat), "the caption of an image that stays out does not become another's"
    files.set_input_files(tmp_path / "more.zip")
    told.get_by_role("button", name="Replace").click()
    expect(told).to_contain_text("2 files replaced.")
    assert (colour_of(cat / "1.png"), (cat / "1.txt").read_text()) == ((0, 128, 0), "green\n")


def test_an_upload_goes_on_while_another_page_is_looked_at(
    page: Page, server: Server, cat: Path, tmp_path: Path, wait_until: Callable[..., object]
) -> None:
    page.goto(f"{server.url}/datasets?set=cat")
    told = page.locator(".fluxgym-drop .told")
    held: list[Route] = []
    begun: list[str] = []

    def hold(route: Route) -> None:
        route.continue_() if len(begun) >= 3 else held.append(route)
        begun.append(route.request.url)

    page.route(re.compile("sets/arrive"), hold)
    page.locator(".fluxgym-drop input").first.set_input_files(
        [draw(tmp_path / "late" / f"{number}.png", "teal") for number in range(10, 16)]
    )
    wait_until(lambda: page.wait_for_timeout(50) or len(held) == 3, 20)
    page.get_by_role("link", name="Runs").click()
    expect(page.locator(".fluxgym-drop")).to_have_count(0)
    for route in held:
        route.continue_()
    wait_until(lambda: page.wait_for_timeout(50) or "15.png" in names(cat), 20)
    page.get_by_role("link", name="Data sets").click()
    page.get_by_role("button", name="Open").click()
    expect(told).to_contain_text("6 files added.")
    assert not [name for name in names(cat) if name.startswith(".")]
