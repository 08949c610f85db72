"""Several values tried at once, as a person does it: chosen on the Train page, watched side by side, the best marked."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from fluxgym.form import form
from fluxgym.run.care import NONE
from fluxgym.run.launch import wait_for_end
from fluxgym.sweep.mark import find_members
from tests.browser.conftest import Server, wait_until_still

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("outputs")]

QUICK = {f"{form.CARE}place": NONE, "data.repeats": 1, "train.epochs": 1, "sample.prompts": []}  # five steps a run


def test_values_are_tried_watched_and_the_best_is_marked(
    page: Page, server: Server, chromium: Browser, complaints: list[str]
) -> None:
    form.write_values(form.draft(), form.demo_values() | QUICK)
    page.goto(f"{server.url}/train")
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.get_by_text("12 images, 12 with a caption").wait_for()
    page.get_by_text("Try several values").click()
    setting = page.get_by_placeholder("Choose a setting to vary")
    wait_until_still(setting)
    setting.click()
    page.get_by_role("option", name="Training: Learning rate", exact=True).click()
    values = page.get_by_label("Values of Learning rate")
    values.fill("1e-5, x")
    page.get_by_text("Got 'x', expected a number above 0 and up to 1").wait_for()
    values.fill("1e-5, 4e-3")
    start = page.get_by_role("button", name="Start all 2")
    start.wait_for()
    page.get_by_text("2 runs to begin, 10 steps in all.").wait_for()
    start.click()

    page.get_by_role("heading", name="Sweep demo").wait_for()
    expect(page).to_have_url(re.compile(r"/compare\?sweep=demo"))
    rows = page.locator(".fluxgym-sweep tbody tr")
    expect(rows.locator("a")).to_have_text(["demo-lr1e-5", "demo-lr4e-3"])
    page.get_by_text("2 runs: 2 completed.").wait_for(timeout=120_000)  # by itself
    assert {wait_for_end(folder, 60).state for folder in find_members("demo")} == {"completed"}
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)
    best = page.locator(".fluxgym-sweep .best")
    expect(best).to_have_count(1)
    expect(best).to_contain_text("demo-lr4e-3 (best)")
    page.get_by_text(re.compile(r"Best by validation loss: learning rate 4e-03 \(0\.\d{4}\)\.")).wait_for()
    page.get_by_role("radio", name="Best first").click()
    expect(rows.locator("a")).to_have_text(["demo-lr4e-3", "demo-lr1e-5"])
    assert complaints == []

    phone = chromium.new_page(viewport={"width": 390, "height": 844})
    server.sign_in(phone.context)
    phone.goto(f"{server.url}/compare?sweep=demo")
    phone.get_by_text("Best by validation loss").wait_for()
    expect(phone.locator(".chart .main-svg").first).to_be_visible()
    wide, screen = phone.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
    seen = phone.locator(".fluxgym-sweep .best a").bounding_box()
    phone.close()
    assert wide <= screen
    assert seen and seen["x"] + seen["width"] <= 390, "which is the best is seen without scrolling the table"
