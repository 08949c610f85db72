"""A data set in a real Chromium: captions are kept as they are typed, whatever happens to the server or is written meanwhile;
many are changed and taken back; images that are alike are found, removed, brought back and replaced."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from fluxgym.dataset.sets import make_set
from tests.browser.conftest import Server


def draw_photo(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    small = Image.frombytes("RGB", (8, 8), bytes(chance.randrange(256) for _ in range(8 * 8 * 3)))
    small.resize((320, 320), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def cat(outputs: Path) -> Path:
    folder = make_set("cat")
    for number in range(30):
        draw_photo(folder / f"{number:02d}.jpg", number)
    (folder / "05.txt").write_text("five")
    (folder / "copy.jpg").write_bytes((folder / "07.jpg").read_bytes())
    return folder


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def test_captions_are_kept_whatever_happens(page: Page, server: Server, cat: Path, wait_until: Callable[..., object]) -> None:
    page.goto(f"{server.url}/datasets?set=cat")
    first = page.get_by_label("Caption of 00.jpg")
    first.press_sequentially("zero <b>", delay=20)
    wait_until(lambda: read(cat / "00.txt") == "zero <b>\n", 20)
    page.get_by_text("31 images, 2 with a caption").wait_for()
    expect(page.get_by_label("Caption of 05.jpg")).to_have_value("five")

    server.kill()
    page.get_by_label("Caption of 01.jpg").fill("written while the server is down")
    page.get_by_text("Not kept yet").wait_for()
    server.start()
    wait_until(lambda: read(cat / "01.txt") == "written while the server is down\n", 30)

    expect(page.get_by_label("Caption of 02.jpg")).to_have_value("")
    page.get_by_label("Caption of 02.jpg").press_sequentially("mi", delay=20)
    (cat / "02.txt").write_text("somebody else's")
    page.get_by_label("Caption of 02.jpg").press_sequentially("ne", delay=20)
    page.get_by_text("Changed elsewhere to").wait_for()
    assert read(cat / "02.txt") in ("somebody else's", "mine\n")
    page.get_by_role("button", name="Keep mine").click()
    wait_until(lambda: read(cat / "02.txt") == "mine\n", 20)

    (cat / "03.txt").write_text("by a model")
    expect(page.get_by_label("Caption of 03.jpg")).to_have_value("by a model", timeout=60_000)
    page.get_by_label("Caption of 04.jpg").fill("the last letters")
    page.reload()  # before the pause after which it is kept
    expect(page.get_by_label("Caption of 04.jpg")).to_have_value("the last letters")
    assert sorted(path.name for path in cat.glob("*.txt")) == [f"0{number}.txt" for number in range(6)]


def test_many_are_changed_and_what_is_alike_goes(
    page: Page, server: Server, cat: Path, tmp_path: Path, wait_until: Callable[..., object]
) -> None:
    page.goto(f"{server.url}/datasets?set=cat")
    page.get_by_role("textbox", name="Trigger word").fill("sks cat")
    page.get_by_role("button", name="Without trigger, 1").click()
    expect(page.get_by_text("1 image in view")).to_be_visible()
    page.get_by_role("button", name="All, 31", exact=True).click()
    page.get_by_role("button", name="Change captions").click()
    page.get_by_role("combobox", name="Change").select_option("prefix")
    expect(page.get_by_label("Text at the beginning")).to_have_value("sks cat, ")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Change 31 captions").click()
    expect(page.get_by_label("Caption of 05.jpg")).to_have_value("sks cat, five")
    assert read(cat / "05.txt") == "sks cat, five\n" and read(cat / "29.txt") == "sks cat\n"
    page.get_by_role("button", name="Take the change of 31 captions back").click()
    expect(page.get_by_label("Caption of 05.jpg")).to_have_value("five")
    wait_until(lambda: [path.name for path in cat.glob("*.txt")] == ["05.txt"], 20)

    page.get_by_role("button", name="Alike, 2").click()
    page.get_by_text("The same file, more than once").wait_for()
    page.get_by_role("checkbox", name="Select copy.jpg").check()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("1 image removed, with its caption.").wait_for()
    assert not (cat / "copy.jpg").exists()
    page.get_by_role("button", name="Bring back 1 removed").click()
    page.get_by_text("They are back.").wait_for()
    assert (cat / "copy.jpg").is_file()

    draw_photo(tmp_path / "new.png", 99)
    page.get_by_role("button", name="All, 31", exact=True).click()
    page.get_by_label("Search captions and names").fill("five")
    expect(page.get_by_text("1 image in view")).to_be_visible()
    page.get_by_role("checkbox", name="Select 05.jpg").check()
    page.get_by_label("The image that takes its place").set_input_files(tmp_path / "new.png")
    page.get_by_text("new.png took the place of 05.jpg.").wait_for()
    expect(page.get_by_label("Caption of 05.png")).to_have_value("five")
    assert not (cat / "05.jpg").exists()
