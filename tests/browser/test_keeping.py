"""What somebody does on a page survives its refreshes: zoom, legend, scroll, selection, what is typed, dialogs, the address."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fluxgym.run.status import read_status
from tests.browser.conftest import Server
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser

COUNT = "() => document.querySelector('.chart')?.data?.[0]?.x.length ?? 0"
LINES = ".fluxgym-log .lines"
BOX = "element => [element.scrollTop, element.scrollHeight - element.clientHeight]"


@pytest.fixture
def run(start_small: Callable[..., RunFolder]) -> RunFolder:
    """A run that makes ten steps a second for longer than any of these tests takes."""
    return start_small("--steps", "100000", "--pause", "0.1", name="small")


@pytest.fixture
def opened(page: Page, server: Server, run: RunFolder, wait_until: Callable[..., object]) -> Page:
    page.goto(f"{server.url}/run?run={run.name}")
    wait_until(lambda: page.evaluate(COUNT) > 20, 60)
    return page


@pytest.fixture
def refreshes(wait_until: Callable[..., object]) -> Callable[[Page, int], None]:
    """refreshes(page, 2): waits until the page's chart has grown twice."""

    def wait(page: Page, times: int) -> None:
        for _ in range(times):
            before = page.evaluate(COUNT)
            wait_until(lambda before=before: page.evaluate(COUNT) > before, 30)

    return wait


def test_zoom_and_legend_survive(opened: Page, refreshes: Callable[[Page, int], None]) -> None:
    plot = opened.locator(".chart .nsewdrag").first.bounding_box()
    assert plot
    opened.mouse.move(plot["x"] + 80, plot["y"] + 40)
    opened.mouse.down()
    opened.mouse.move(plot["x"] + 240, plot["y"] + 140, steps=5)
    opened.mouse.up()
    opened.locator(".chart .legendtoggle").first.click()
    seen = "() => { const chart = document.querySelector('.chart'); return [chart.layout.xaxis.range, chart.data[0].visible]; }"
    opened.wait_for_function("() => document.querySelector('.chart').data[0].visible === 'legendonly'")
    zoomed = opened.evaluate(seen)
    refreshes(opened, 2)
    assert opened.evaluate(seen) == zoomed
    assert zoomed[1] == "legendonly"


def test_the_log_follows_until_somebody_reads(
    opened: Page, refreshes: Callable[[Page, int], None], wait_until: Callable[..., object]
) -> None:
    assert not opened.locator(LINES).first.is_visible(), "the expander is closed at first"
    opened.get_by_text("Training Log (Persisted)").click()
    box = opened.locator(LINES).first
    box.wait_for(state="visible")
    wait_until(lambda: box.evaluate(BOX)[1] > 500, 30)
    refreshes(opened, 1)
    place, end = box.evaluate(BOX)
    assert abs(place - end) < 24, "it shows the newest line"
    box.evaluate("element => { element.scrollTop = 120; }")
    line = box.locator("div").nth(12)
    text = line.inner_text()
    line.evaluate("element => getSelection().selectAllChildren(element)")
    refreshes(opened, 2)
    assert box.evaluate(BOX)[0] == 120
    assert line.inner_text() == text, "the lines under one's eyes stay where they are"
    assert opened.evaluate("() => getSelection().toString()").strip() == text.strip()
    assert box.is_visible(), "the expander is still open"
    box.evaluate("element => { getSelection().removeAllRanges(); element.scrollTop = element.scrollHeight; }")
    refreshes(opened, 2)
    place, end = box.evaluate(BOX)
    assert abs(place - end) < 24, "at its end it follows again"
    assert box.locator("div").count() <= 100


def test_copy_hides_no_line(opened: Page) -> None:
    opened.get_by_text("Training Log (Persisted)").click()
    box = opened.locator(LINES).first
    box.wait_for(state="visible")
    log = opened.locator(".fluxgym-log").first
    lines, button, whole = (part.bounding_box() for part in (box, log.get_by_role("button", name="Copy"), log))
    assert lines and button and whole
    assert button["y"] + button["height"] <= lines["y"]
    assert lines["y"] + lines["height"] <= whole["y"] + whole["height"] + 1
    assert lines["height"] > 250


def test_the_buttons_of_a_chart_need_a_pointer(chromium: Browser, server: Server, run: RunFolder, opened: Page) -> None:
    assert opened.locator(".chart .modebar-btn").count() > 0
    phone = chromium.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    server.sign_in(phone.context)
    phone.goto(f"{server.url}/run?run={run.name}")
    phone.locator(".chart .main-svg").first.wait_for()
    assert phone.evaluate("() => matchMedia('(pointer: coarse)').matches")
    assert phone.locator(".chart .modebar-btn").count() == 0
    phone.close()


def test_a_wide_table_of_samples_shows_its_scroll_bar(page: Page, server: Server, outputs: Path) -> None:
    folder = RunFolder(outputs / "drawn")
    folder.samples.mkdir(parents=True)
    folder.config.write_text('name = "drawn"\n', encoding="utf-8")
    for epoch in range(12):
        Image.new("RGB", (8, 8)).save(folder.samples / f"drawn_e{epoch:06d}_00_202611241015{epoch:02d}_42.png")
    page.goto(f"{server.url}/run?run=drawn&tab=Samples")
    page.locator(".fluxgym-samples a.cell").first.wait_for()
    table = page.locator(".fluxgym-samples .scrolls")
    page.mouse.move(1, 1)
    assert table.evaluate("element => element.scrollWidth > element.clientWidth")
    thumb = table.evaluate("element => getComputedStyle(element).scrollbarColor.split(')')[0]")
    assert thumb == "rgba(128, 128, 128, 0.6"


def test_the_dialog_stays_and_stop_stops(
    opened: Page, run: RunFolder, refreshes: Callable[[Page, int], None], wait_until: Callable[..., object]
) -> None:
    opened.get_by_role("button", name="Stop", exact=True).click()
    dialog = opened.get_by_role("dialog")
    expect(dialog).to_contain_text("finishes the step under way, saves its state and ends")
    refreshes(opened, 2)
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Let it run", exact=True).click()
    expect(dialog).to_be_hidden()
    assert read_status(run).is_active
    opened.get_by_role("button", name="Stop", exact=True).click()
    opened.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    wait_until(lambda: read_status(run).state == "stopped", 60)
    resume = opened.get_by_role("button", name="Resume", exact=True)
    resume.wait_for()
    resume.click()
    wait_until(lambda: read_status(run).state == "running", 60)
    opened.get_by_role("button", name="Stop", exact=True).wait_for()


def test_a_reload_opens_the_same_run_and_tab(opened: Page, server: Server, run: RunFolder) -> None:
    opened.get_by_role("radio", name="Log").click()
    opened.wait_for_url("**tab=Log**")
    opened.locator(LINES).first.wait_for(state="visible")
    opened.reload()
    opened.get_by_role("heading", name=run.name).wait_for()
    opened.locator(LINES).first.wait_for(state="visible")
    assert f"run={run.name}" in opened.url
    assert "tab=Log" in opened.url
    opened.get_by_role("link", name="Runs").click()
    opened.get_by_role("heading", name="Active Training Sessions").wait_for()
    opened.get_by_role("link", name="Run", exact=True).click()
    opened.get_by_role("heading", name=run.name).wait_for()
    opened.wait_for_url(f"**/run?run={run.name}**")


def test_the_log_can_be_downloaded(opened: Page, run: RunFolder) -> None:
    opened.get_by_text("Training Log (Persisted)").click()
    with opened.expect_download() as download:
        opened.get_by_role("link", name="Download").first.click()
    assert download.value.suggested_filename == f"{run.name}-training.log"
    kept = Path(download.value.path()).read_bytes()
    assert run.training_log.read_bytes().startswith(kept)
    assert len(kept) > 100


def test_what_is_typed_survives_refreshes_and_a_restart(
    page: Page, server: Server, run: RunFolder, outputs: Path, wait_until: Callable[..., object]
) -> None:
    page.goto(f"{server.url}/train")
    name = page.get_by_label("Name", exact=True)
    name.click()
    page.keyboard.type("my-cat", delay=30)
    page.get_by_role("textbox", name="Sample prompts, one a line").click()
    page.keyboard.type("a cat on a roof")
    wait_until(lambda: '"my-cat"' in read(outputs / ".draft" / "ui_state.json"), 20)
    wait_until(lambda: "a cat on a roof" in read(outputs / ".draft" / "ui_state.json"), 20)
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-cat")
    server.kill()
    server.start()
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-cat")
    expect(page.get_by_role("textbox", name="Sample prompts, one a line")).to_have_value("a cat on a roof")


def test_images_are_uploaded_captioned_and_removed(
    page: Page, server: Server, outputs: Path, tmp_path: Path, wait_until: Callable[..., object]
) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{colour}.png")
    page.goto(f"{server.url}/train")
    page.get_by_label("Name", exact=True).fill("cat")
    page.get_by_text("They go to").wait_for()
    page.locator("input[type=file][multiple]").first.set_input_files([tmp_path / "red.png", tmp_path / "blue.png"])
    page.get_by_text("2 images, 0 with a caption").wait_for()
    folder = outputs.parent / "datasets" / "cat"
    assert sorted(path.name for path in folder.iterdir()) == ["blue.png", "red.png"]
    caption = page.get_by_label("Caption of red.png")
    caption.fill("a <b>red</b> square")
    wait_until(lambda: read(folder / "red.txt") == "a <b>red</b> square\n", 20)
    page.get_by_label("Select blue.png").check()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("1 image, 1 with a caption").wait_for()
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["red.png", "red.txt"]
    page.get_by_role("button", name="Bring back 1 removed").click()
    page.get_by_text("2 images, 1 with a caption").wait_for()


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("", ".st-key-card-small"),
        ("train", ".st-key-plan"),
        ("run?run=small", ".main-svg"),
        ("run?run=small&tab=Samples", ".st-key-tab-Samples"),
        ("run?run=small&tab=Checkpoints", ".st-key-tab-Checkpoints"),
        ("run?run=small&tab=Log", LINES),
    ],
)
def test_a_phone_needs_no_scrolling_sideways(page: Page, server: Server, run: RunFolder, address: str, there: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/{address}")
    page.locator(there).first.wait_for()
    wide, screen = page.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
    assert wide <= screen


def test_the_plan_stays_in_view(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/train")
    page.get_by_role("button", name="Try the demo").click()
    page.get_by_text("12 images, 12 with a caption").wait_for()
    page.locator("[data-testid=stMain]").evaluate("main => { main.scrollTop = 800; }")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_in_viewport()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
