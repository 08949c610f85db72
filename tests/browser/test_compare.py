"""The Compare page in a real browser: lines of a run under way grow, zoom and choices stay, it fits a phone."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from fluxgym.run.launch import wait_for_end
from trainer.folder import RunFolder

from .conftest import Server

SLOW = 60_000  # ms, the first page of a server
LAST_X = "(box) => Math.max(...box.data.map((trace) => trace.x.at(-1)))"


def test_two_runs_one_of_which_trains(
    server: Server, page: Page, start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    wait_for_end(start_small("--steps", "40", name="ended"), 60)
    start_small("--steps", "100000", "--pause", "0.05", name="live")
    page.goto(f"{server.url}/compare?runs=ended,live")
    chart = page.locator(".chart").first
    expect(chart.locator(".legendtext")).to_have_text(["ended", "live"], timeout=SLOW)
    first = chart.evaluate(LAST_X)
    chart.evaluate("(box) => Plotly.relayout(box, {'xaxis.range': [5, 30], 'xaxis.autorange': false})")
    for _ in range(2):  # refreshes with new data
        wait_until(lambda before=first: chart.evaluate(LAST_X) > before, 40)
        first = chart.evaluate(LAST_X)
    assert chart.evaluate("(box) => box.layout.xaxis.range") == [5, 30]


def test_the_choice_is_in_the_address_and_survives_a_reload(server: Server, page: Page, outputs: Path) -> None:
    for name, rank in (("a", 4), ("b", 8), ("c", 16)):
        (outputs / name).mkdir()
        (outputs / name / "config.toml").write_text(f"[lora]\nrank = {rank}\n")
    page.goto(f"{server.url}/compare?runs=c,a")
    table = page.locator(".fluxgym-compare")
    expect(table.locator("thead a")).to_have_text(["c", "a"])
    page.get_by_test_id("stMultiSelect").locator("input").click()
    page.get_by_role("option", name="b", exact=True).click()
    expect(table.locator("thead a")).to_have_text(["c", "a", "b"])
    expect(page).to_have_url(re.compile(r"runs=c(,|%2C)a(,|%2C)b"))
    page.reload()
    expect(table.locator("thead a")).to_have_text(["c", "a", "b"])


def test_samples_of_two_runs_follow_the_slider_and_fit_a_phone(server: Server, page: Page, outputs: Path) -> None:
    for name in ("a", "b"):
        folder = RunFolder(outputs / name)
        folder.samples.mkdir(parents=True)
        folder.config.write_text('[sample]\nprompts = ["a robot"]\nseed = 42\n')
        for epoch in (2, 4):
            Image.new("RGB", (64, 64)).save(folder.samples / f"{name}_e{epoch:06d}_00_2026112410150{epoch}_42.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/compare?runs=a,b")
    pictures = page.locator(".fluxgym-samples.beside img")
    expect(pictures).to_have_count(2)
    pictures.first.scroll_into_view_if_needed()
    expect(pictures.first).to_have_js_property("naturalWidth", 64)
    assert "e000004" in (pictures.first.get_attribute("src") or "")
    thumb = page.get_by_role("slider").last
    thumb.focus()
    thumb.press("Home")
    expect(pictures.first).to_have_attribute("src", re.compile("e000002"))
    assert page.evaluate("document.documentElement.scrollWidth") == 390

    # on the full screen: the other run by an arrow, then both with a slider between them
    page.locator(".fluxgym-samples.beside a.cell").first.click()
    below = page.locator(".fluxgym-viewer .below")
    expect(below).to_have_text("a, epoch 2 \u00b7 seed 42 \u00b7 1 of 2")
    page.keyboard.press("ArrowRight")
    expect(below).to_have_text("b, epoch 2 \u00b7 seed 42 \u00b7 2 of 2")
    page.get_by_role("button", name="Compare two runs").click()
    expect(below).to_have_text("a, epoch 2 and b, epoch 2 \u00b7 seed 42")
    page.keyboard.press("Escape")
    expect(page.locator(".fluxgym-viewer")).to_have_count(0)


def test_how_the_curves_are_seen_survives_a_reload(server: Server, page: Page, start_small: Callable[..., RunFolder]) -> None:
    for name in ("a", "b"):
        wait_for_end(start_small("--steps", "40", "--pause", "0.1", name=name), 60)
    page.goto(f"{server.url}/compare?runs=a,b")
    chart = page.locator(".chart").first
    expect(chart.locator(".legendtext")).to_have_text(["a", "b"], timeout=SLOW)
    page.get_by_text("Time", exact=True).click()
    page.get_by_text("Log scale").click()
    expect(page).to_have_url(re.compile("log=true"))
    page.reload()
    expect(chart.locator(".xtitle")).to_have_text("seconds of training", timeout=SLOW)
    assert chart.evaluate("(box) => box.layout.yaxis.type") == "log"
    expect(page).to_have_url(re.compile(r"runs=a(,|%2C)b"))


def test_a_run_that_is_deleted_meanwhile_leaves_the_other(
    server: Server, page: Page, start_small: Callable[..., RunFolder]
) -> None:
    gone = start_small("--steps", "40", name="gone")
    wait_for_end(gone, 60)
    start_small("--steps", "100000", "--pause", "0.05", name="live")
    page.goto(f"{server.url}/compare?runs=live,gone")
    chart = page.locator(".chart").first
    expect(chart.locator(".legendtext")).to_have_text(["live", "gone"], timeout=SLOW)
    shutil.rmtree(gone.path)
    expect(page.get_by_text("Not there: gone")).to_be_visible(timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
