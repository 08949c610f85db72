"""Sharing in a real Chromium: a dialog over a page that goes on, an address and its code, its end; all links; log out."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import segno
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fluxgym.access.links import list_links, make_link
from fluxgym.run.launch import stop_run
from tests.browser.conftest import Server
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
SLOW = 60_000  # ms, the first page of a server
SIDE = 45  # modules of the code of such an address, its quiet zone of 4 on each side included


@pytest.fixture
def running(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> RunFolder:
    folder = start_small("--steps", "100000", "--pause", "0.05", name="small")
    wait_until(folder.training_log.exists)
    return folder


@pytest.fixture
def ended(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text("Epoch 1/2\n", encoding="utf-8")
    return folder


@pytest.fixture
def below(outputs: Path, tmp_path: Path, wait_until: Callable[..., object]) -> Iterator[Server]:
    """A server below a path of its own."""
    started = Server(tmp_path / "below.log", wait_until, ("--server.baseUrlPath", "gym/two"))
    started.start()
    yield started
    started.kill()


def open_dialog(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Share").click(timeout=SLOW)
    expect(page.get_by_role("dialog")).to_be_visible()


def make(page: Page) -> str:
    """Makes a link in the open dialog; its address."""
    page.get_by_role("button", name="Make a link").click()
    address = page.locator(".fluxgym-link .address")
    expect(address).to_have_text(re.compile("^http"))
    return address.inner_text()


def status(page: Page, url: str) -> int:
    """What a browser without the owner's cookie is answered."""
    browser = page.context.browser
    assert browser
    stranger = browser.new_context()
    try:
        return stranger.request.get(url).status
    finally:
        stranger.close()


def read_code(page: Page) -> list[list[bool]]:
    """The modules of the code as they are on the screen, its quiet zone too: True is dark."""
    picture = Image.open(io.BytesIO(page.locator(".fluxgym-link .code svg").screenshot())).convert("L")
    step = picture.width / SIDE
    at = [int((each + 0.5) * step) for each in range(SIDE)]
    return [[int(picture.getpixel((x, y))) < 128 for x in at] for y in at]  # type: ignore[arg-type]


def test_the_dialog_outlives_refreshes_and_the_end_of_the_run(
    page: Page, server: Server, running: RunFolder, complaints: list[str]
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_dialog(page, f"{server.url}/run?run=small")
    label = page.get_by_role("dialog").get_by_label("For whom")
    label.fill("Ana <b>x</b>")
    progress = page.get_by_test_id("stProgress")
    for _ in range(2):  # it is drawn anew below the dialog
        before = progress.inner_text()
        expect(progress).not_to_have_text(before, use_inner_text=True, timeout=SLOW)
    expect(label).to_have_value("Ana <b>x</b>")
    url = make(page)
    assert re.fullmatch(rf"{server.url}/s/[\w-]{{43}}/", url)
    stop_run(running, wait=60)
    expect(page.get_by_text("Stopped by you").first).to_be_attached(timeout=SLOW)
    expect(page.locator(".fluxgym-link .address")).to_have_text(url)
    expect(page.get_by_text("leads to this machine only")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == url
    assert status(page, url) == 200
    expect(page.get_by_role("dialog").get_by_text("Ana <b>x</b>")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked: Ana <b>x</b>.")).to_be_visible()
    assert status(page, url) == 404
    assert list_links(running) == []
    assert complaints == []


def test_the_code_is_read_in_dark_mode(page: Page, server: Server, ended: RunFolder) -> None:
    page.emulate_media(color_scheme="dark")
    open_dialog(page, f"{server.url}/run?run=small")
    url = make(page)
    modules = [[bool(module) for module in row] for row in segno.make(url, error="m", micro=False).matrix]
    white = [False] * 4
    empty = [[False] * SIDE] * 4
    assert read_code(page) == [*empty, *([*white, *row, *white] for row in modules), *empty]


def test_without_a_clipboard_it_is_copied_as_before(page: Page, server: Server, ended: RunFolder) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_dialog(page, f"{server.url}/run?run=small")
    url = make(page)
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.get_by_role("button", name="Make another link").click()
    page.get_by_label("For whom").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_label("For whom")).to_have_value(url[:80])  # the longest label


def test_a_phone_hands_it_to_another_app(chromium: Browser, server: Server, ended: RunFolder) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    server.sign_in(context)
    page = context.new_page()
    page.add_init_script("navigator.share = async (sent) => { document.body.dataset.sent = sent.url; }")
    open_dialog(page, f"{server.url}/run?run=small")
    url = make(page)
    page.get_by_role("button", name="Send").tap()
    assert page.evaluate("document.body.dataset.sent") == url
    box = page.get_by_role("dialog").bounding_box()
    assert box
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert box["width"] <= 390
    context.close()


def test_what_was_closed_stays_closed(page: Page, server: Server, ended: RunFolder) -> None:
    open_dialog(page, f"{server.url}/run?run=small")
    make(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    ended.training_log.write_text("Epoch 1/2\nEpoch 2/2\n", encoding="utf-8")
    page.get_by_role("radio", name="Settings").click()  # a tab that draws the whole page anew
    expect(page.get_by_text("config.toml").first).to_be_attached(timeout=SLOW)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Show").click()
    expect(page.locator(".fluxgym-link .address")).to_have_text(re.compile("^http"))
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_below_another_path_the_address_has_it(chromium: Browser, below: Server, ended: RunFolder) -> None:
    context = chromium.new_context()
    below.sign_in(context)
    page = context.new_page()
    open_dialog(page, f"{below.url}/gym/two/run?run=small")
    url = make(page)
    assert url.startswith(f"{below.url}/gym/two/s/")
    assert status(page, url) == 200
    context.close()


def test_the_settings_page_ends_links_and_the_session(page: Page, server: Server, ended: RunFolder) -> None:
    make_link(ended, label="Ana")
    make_link(ended, label="Bo")
    page.goto(f"{server.url}/settings")
    expect(page.get_by_text("small: Bo")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Revoke all").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    expect(page.get_by_text("2 links revoked")).to_be_visible()
    assert list_links(ended) == []
    page.get_by_role("link", name="Log out").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out")).to_be_visible()
    page.goto(f"{server.url}/settings")
    expect(page.get_by_role("heading", name="Sign in to FluxGym")).to_be_visible()
