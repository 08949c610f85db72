"""What a real Chromium tells of a key and a link while it uses them: no Referer has them, and no script reads the cookie."""

from pathlib import Path

from playwright.sync_api import Page, Request, expect

from fluxgym.access.links import make_link
from fluxgym.access.owner import read_keyring
from tests.access.planted import SHOWN, write_runs
from tests.browser.conftest import Server
from trainer.folder import RunFolder


def hear_referers(page: Page) -> list[str]:
    """Of all requests from now on."""
    told: list[str] = []

    def hear(request: Request) -> None:
        told.append(request.headers.get("referer", ""))

    page.on("request", hear)
    return told


def test_a_link_is_in_no_referer(server: Server, page: Page, outputs: Path) -> None:
    write_runs(outputs)
    _, token = make_link(RunFolder(outputs / SHOWN), 1, "", ("log", "samples", "settings", "checkpoints"))
    referers = hear_referers(page)
    page.goto(f"{server.url}/s/{token}/")
    expect(page.get_by_text("This link shows one training")).to_be_visible()
    expect(page.locator(".fluxgym-chart .main-svg").first).to_be_visible()
    assert len(referers) > 10
    assert [each for each in referers if token in each] == []


def test_the_key_is_in_no_referer_and_no_script_reads_the_cookie(server: Server, page: Page, outputs: Path) -> None:
    write_runs(outputs)
    key = read_keyring().key
    page.context.clear_cookies()
    referers = hear_referers(page)
    page.goto(f"{server.url}/run?run={SHOWN}&key={key}")
    expect(page.locator(".fluxgym-chart .main-svg").first).to_be_visible()
    assert page.url == f"{server.url}/run?run={SHOWN}"
    assert len(referers) > 10
    assert [each for each in referers if key in each] == []
    (cookie,) = [each for each in page.context.cookies() if each["name"].startswith("fluxgym-")]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    assert cookie["value"] not in page.evaluate(
        "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    )
