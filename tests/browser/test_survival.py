"""The reason why the project exists: press Start, close the tab, lose the server, come back, watch it finish."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fluxgym.run.status import read_status
from tests.browser.conftest import Server
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser

CURVE = "() => document.querySelector('.chart')?.data?.[0]?.x ?? []"  # steps in the loss chart


def last_step(page: Page) -> int:
    """The furthest step in the page's loss chart; 0 while it has none."""
    return max(page.evaluate(CURVE), default=0)


def test_a_run_outlives_browser_and_server(
    chromium: Browser, server: Server, outputs: Path, wait_until: Callable[..., object]
) -> None:
    # a newcomer starts the demo
    first = chromium.new_context()
    server.sign_in(first)
    page = first.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Try the demo").click()
    page.get_by_text("12 images, 12 with a caption").wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("heading", name="demo").wait_for()
    assert page.url == f"{server.url}/run?run=demo"
    folder = RunFolder(outputs / "demo")

    # the chart grows while somebody looks
    wait_until(lambda: last_step(page) >= 5, 120)
    seen = last_step(page)
    wait_until(lambda: last_step(page) > seen, 60)
    first.close()

    # a second tab is open when the server dies; nobody touches it from here on
    second = chromium.new_context()
    server.sign_in(second)
    left_open = second.new_page()
    left_open.goto(f"{server.url}/run?run=demo")
    wait_until(lambda: last_step(left_open) > seen, 60)
    server.kill()
    before = last_step(left_open)
    steps = folder.training_log.read_text(encoding="utf-8").count("steps: ")
    wait_until(lambda: folder.training_log.read_text(encoding="utf-8").count("steps: ") > steps, 60)
    assert read_status(folder).is_active, "the training went on without a server"
    server.start()

    # somebody comes back: the same run, further on, all of its curve
    third = chromium.new_context()
    server.sign_in(third)
    back = third.new_page()
    back.goto(f"{server.url}/run?run=demo")
    wait_until(lambda: last_step(back) > before, 60)
    assert min(back.evaluate(CURVE)) == 1
    # and the tab that was left open came back by itself
    wait_until(lambda: last_step(left_open) > before, 60)

    # it ends well, in both tabs
    wait_until(lambda: not read_status(folder).is_active, 900)
    assert read_status(folder).state == "completed"
    for tab in (back, left_open):
        expect(tab.get_by_text(re.compile("Completed")).first).to_be_visible(timeout=60_000)
        wait_until(lambda tab=tab: last_step(tab) == 300, 30)
        assert min(tab.evaluate(CURVE)) == 1
    second.close()
    third.close()


def test_without_a_connection_the_page_says_that_the_training_goes_on(page: Page, server: Server) -> None:
    with page.expect_response(lambda answer: answer.url.endswith("/alive")):  # its script is there
        page.goto(server.url)
    note = page.locator(".fluxgym-away").filter(
        has_text=re.compile(r"No connection to FluxGym since \d.*it goes on", re.DOTALL)
    )
    expect(note).not_to_be_visible()
    page.context.set_offline(True)  # the tunnel broke off
    expect(note).to_be_visible()
    page.context.set_offline(False)
    expect(note).not_to_be_visible()
    server.kill()
    expect(note).to_be_visible()
    box, view = note.bounding_box(), page.viewport_size
    assert box and view
    assert box["x"] >= 0 and box["y"] + box["height"] <= view["height"]
    server.start()
    expect(note).not_to_be_visible()
