"""150 photos of 3 MB in a real Chromium, from the drop to the training: the page is reloaded and the server dies meanwhile."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from fluxgym.form import form
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import stop_run
from fluxgym.run.status import read_status
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

COUNT, SIZE = 150, 3_000_000  # photos, bytes of each
NAMES = [f"IMG {number:04d}.JPG" for number in range(COUNT)]
PUT = """() => {
  const hand = Object.assign(document.createElement("input"), { type: "file", multiple: true, id: "hand" });
  document.body.append(hand);
}"""
DROP = """() => {
  const dropped = new DataTransfer();
  for (const file of document.querySelector("#hand").files) dropped.items.add(file);
  const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
  document.querySelector(".fluxgym-drop .zone").dispatchEvent(event);
}"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos, the first two with captions."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        small = Image.frombytes("RGB", (8, 8), random.Random(number).randbytes(8 * 8 * 3))
        small.resize((320, 320), Image.Resampling.BICUBIC).save(folder / name, "JPEG")
        with (folder / name).open("r+b") as file:
            file.truncate(SIZE)  # behind a JPEG's end nobody looks
    (folder / "IMG 0000.txt").write_text("photo zero")
    (folder / "IMG 0001.txt").write_text("photo one")
    return folder


def drop(page: Page, folder: Path) -> None:
    """As if the files were dragged from a window of the system."""
    page.evaluate(PUT)
    page.locator("#hand").set_input_files(sorted(folder.iterdir()))
    page.evaluate(DROP)
    page.locator("#hand").evaluate("input => input.remove()")


def open_tab(chromium: Browser, server: Server) -> tuple[BrowserContext, Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(60_000)
    server.sign_in(context)
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())  # a browser asks whether an upload is to be left
    page.goto(f"{server.url}/train")
    return context, page


def fill_in(page: Page) -> None:
    """The demo, but with images of one's own."""
    page.get_by_role("button", name="Try the demo").click()
    page.get_by_text("12 images, 12 with a caption").wait_for()
    page.get_by_label("Name", exact=True).fill("cat")
    page.get_by_role("radio", name="New data set").click()
    page.get_by_text("datasets/cat").first.wait_for()


def read_memory(server: Server) -> int:
    """Bytes of the server's memory that are in use."""
    assert server.process
    return int(psutil.Process(server.process.pid).memory_info().rss)


def test_150_photos_become_a_training_whatever_happens(
    chromium: Browser, server: Server, outputs: Path, photos: Path, wait_until: Callable[..., object]
) -> None:
    folder = outputs.parent / "datasets" / "cat"
    arrived = lambda: list(folder.glob("*.jpg")) if folder.is_dir() else []  # noqa: E731
    context, page = open_tab(chromium, server)
    fill_in(page)

    # it is reloaded in the middle: what arrived is there, and the page says how far it came
    drop(page, photos)
    wait_until(lambda: len(arrived()) >= 20, 60)
    page.reload()
    page.get_by_text(re.compile(r"An upload broke off: \d+ of 152 files arrived")).wait_for()
    some = len(arrived())
    assert 20 <= some < COUNT, "the reload came in the middle"
    expect(page.get_by_text(re.compile(r"\d+ images, [012] with a caption"))).to_be_visible()
    kept = {path.name: path.stat().st_ino for path in arrived()}

    # the same once more, and the server dies in the middle: the tab goes on by itself
    drop(page, photos)
    wait_until(lambda: len(arrived()) >= some + 20, 60)
    server.kill()
    page.get_by_text("The server does not answer, it is tried again.").wait_for()
    assert len(arrived()) < COUNT, "it died in the middle"
    server.start()
    before = read_memory(server)
    page.get_by_text("150 images, 2 with a caption").wait_for(timeout=120_000)
    page.get_by_text("here already.").wait_for()
    assert sorted(path.name for path in arrived()) == [name.replace(" ", "_").replace("JPG", "jpg") for name in NAMES]
    assert {path.stat().st_size for path in arrived()} == {SIZE}
    assert {name: (folder / name).stat().st_ino for name in kept} == kept, "what was there was not written again"
    assert read_memory(server) - before < 200 * 2**20, "files go to disk, not through the server's memory"

    # captions are edited, and it trains
    assert (folder / "IMG_0001.txt").read_text() == "photo one\n"
    expect(page.get_by_label("Caption of IMG_0001.jpg")).to_have_value("photo one")
    page.get_by_label("Caption of IMG_0001.jpg").fill("one that was edited")
    wait_until(lambda: (folder / "IMG_0001.txt").read_text() == "one that was edited\n", 20)
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("do not contain the trigger word").wait_for()
    page.get_by_role("button", name="Start anyway").click()
    page.get_by_role("heading", name="cat").wait_for(timeout=120_000)
    (run,) = list_runs()
    wait_until(lambda: read_status(run).is_active, 60)
    stop_run(run)

    # the form of the next one is back when browser and server come back
    page.goto(f"{server.url}/train")
    page.get_by_label("Name", exact=True).fill("cat-2")
    page.get_by_role("textbox", name="Trigger word").fill("sks cat")
    wait_until(lambda: form.read_values(form.draft())["trigger"] == "sks cat", 20)
    context.close()
    server.kill()
    server.start()
    context, page = open_tab(chromium, server)
    expect(page.get_by_label("Name", exact=True)).to_have_value("cat-2")
    expect(page.get_by_role("textbox", name="Trigger word")).to_have_value("sks cat")
    context.close()
