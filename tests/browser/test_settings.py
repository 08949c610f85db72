"""All settings and presets in a real browser, where a value that a widget only shows could be replaced by its default."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Download, Page, Route, TimeoutError, expect

from fluxgym.form import form
from tests.browser.conftest import Server
from trainer.config import load_config

pytestmark = pytest.mark.usefixtures("outputs")


def kept(key: str) -> object:
    return form.read_values(form.draft())[key]


def test_what_is_exported_is_what_the_form_says(
    page: Page, server: Server, complaints: list[str], wait_until: Callable[..., Any]
) -> None:
    """It is made at the click: a file of each run of the page was asked for when another run had taken it away."""
    form.write_values(form.draft(), form.demo_values())
    held: list[Route] = []

    def hold(route: Route) -> None:  # a slow network
        held.append(route)

    page.route(f"{server.url}/media/**", hold)
    page.goto(f"{server.url}/train")
    name, export = page.get_by_label("Name", exact=True), page.get_by_role("button", name="Export")
    for number in range(4):
        name.fill(f"robot-{number}")
        name.press("Enter")
        wait_until(lambda wanted=f"robot-{number}": kept("name") == wanted)
    for route in held:
        route.continue_()
    page.unroute(f"{server.url}/media/**")

    def export_it() -> Download | None:
        """Again where the last name is not drawn yet, or just being drawn: such a click brings a message in place of a file."""
        with contextlib.suppress(TimeoutError), page.expect_download(timeout=5_000) as download:
            export.click()
            return download.value if download.value.suggested_filename == "robot-3.toml" else None
        return None

    assert load_config(Path(wait_until(export_it).path())).name == "robot-3"
    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_role("heading", name="No run yet").wait_for()
    assert complaints == []


def test_settings_are_searched_changed_and_taken_back_and_presets_come_and_go(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/train")
    page.get_by_text("All settings").first.click()
    search = page.get_by_placeholder("Search by name")
    search.fill("warm")
    warm = page.get_by_role("spinbutton", name="Warm-up, steps")
    warm.fill("20")
    warm.press("Enter")
    page.get_by_role("button", name="Back to 0").wait_for()
    search.fill("")
    page.get_by_role("radio", name="Training").first.click()
    expect(warm).to_have_value("20")
    expect(page.get_by_role("spinbutton", name="Cycles")).to_have_value("3")
    page.reload()
    page.get_by_text("All settings").first.click()
    page.get_by_text("Changed only").first.click()
    expect(warm).to_have_value("20")
    page.get_by_role("button", name="Back to 0").click()
    expect(warm).to_have_count(0)
    assert (kept("train.warmup_steps"), kept("train.cycles"), kept("memory.preset")) == (0, 3, "auto")

    page.get_by_role("button", name="Presets").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Apply").first.click()
    expect(dialog).to_have_count(0)
    page.get_by_text("24 GB").first.wait_for()
    assert kept("memory.preset") == "24"
    page.locator(".st-key-undo-preset button").click()
    expect(page.locator(".st-key-undo-preset")).to_have_count(0)
    assert kept("memory.preset") == "auto"
