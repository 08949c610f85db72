"""What the browser's tab says, the only thing of a page that is seen while another one is in front."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from fluxgym.run.launch import stop_run
from tests.browser.conftest import Server
from trainer.folder import RunFolder


def test_the_tab_names_the_page_and_says_whether_a_run_is_alive(
    page: Page, server: Server, start_small: Callable[..., RunFolder], complaints: list[str]
) -> None:
    page.goto(f"{server.url}/run")
    expect(page).to_have_title("Run - FluxGym")
    folder = start_small("--steps", "600", "--pause", "0.1", name="robot")
    page.goto(f"{server.url}/run?run=robot")
    for _ in range(2):  # refreshes
        expect(page).to_have_title(re.compile(r"^robot - Running \d+ %$"))
        expect(page).not_to_have_title(page.title())
    stop_run(folder)
    expect(page).to_have_title("robot - Stopped")
    for name, said in (("Runs", "Runs"), ("Train", "New training"), ("Settings", "Settings")):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_title(f"{said} - FluxGym")
    page.get_by_role("link", name="Run", exact=True).click()
    expect(page).to_have_title("robot - Stopped")
    assert complaints == []
