"""Captions by a model, from the press of a button to the box under each image."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fluxgym.form import form
from tests.browser.conftest import Server, wait_until_still
from tests.trainer.captioners import make_florence, paint

pytestmark = pytest.mark.browser
OTHER = "Another model"
PATIENCE = 60_000  # ms
COLOURS = ["red", "green", "blue"] * 4


@pytest.fixture
def place(outputs: Path) -> Path:
    folder = outputs.parent / "datasets" / "things"
    folder.mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        paint(colour, (600, 500)).save(folder / f"{number:02}.png")
    (folder / "03.txt").write_text("mine")
    form.write_values(form.draft(), {**form.default_values(), "name": "things", "trigger": "sks", "data.folder": str(folder)})
    return folder


def test_captions_come_under_their_images(place: Path, page: Page, server: Server, tmp_path: Path) -> None:
    model = make_florence(tmp_path / "florence")
    page.goto(f"{server.url}/train")
    page.get_by_text("Captions by a model").click()
    choice = page.get_by_role("combobox", name="Model").last
    wait_until_still(choice)
    choice.click()
    page.get_by_role("option", name=OTHER).click()
    page.get_by_placeholder("owner/model").last.fill(str(model))
    page.get_by_placeholder("owner/model").last.press("Enter")
    page.get_by_text("On this machine.").wait_for()
    page.get_by_role("button", name="Write 11 captions").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_text("11 of 11 captions written").wait_for()
    expected = [f"sks, a {colour} square" for colour in COLOURS]
    expected[3] = "mine"
    boxes = page.locator("textarea")
    for number, text in enumerate(expected):
        expect(boxes.nth(number)).to_have_value(text, timeout=PATIENCE)
    asked = page.get_by_placeholder("owner/model").last  # and all that was asked for is there again
    expect(asked).to_have_value(str(model), timeout=PATIENCE)
    expect(page.get_by_role("combobox", name="Model", exact=True).last).to_have_value(OTHER, timeout=PATIENCE)
    expect(page.get_by_role("radio", name="Detailed")).to_be_checked(timeout=PATIENCE)
    expect(page.get_by_role("switch", name="Begin with sks")).to_be_checked(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Write captions")).to_be_disabled(timeout=PATIENCE)
