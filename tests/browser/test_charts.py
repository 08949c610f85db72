"""The charts of a run in a real Chromium: what a person chose stays while the run goes on, and when the server does not."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Server
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
STEP = "2026-11-24 10:{minute:02d}:{second:02d} steps:  1%|     | {step}/9000 [00:00<00:27, 11.00it/s, "
STEP += "loss={loss:.4f}, lr=2e-04]\n"
LOSS = "document.querySelector('.fluxgym-chart .chart')"
RANGES = f"[{LOSS}.layout.xaxis.range, {LOSS}.layout.yaxis.range].map((range) => range.join(' '))"
SHOWN = f"Object.fromEntries({LOSS}._fullData.map((trace) => [trace.name, trace.visible]))"


class Run:
    """A run whose log grows when it is told to."""

    def __init__(self, folder: RunFolder):
        self.folder, self.steps = folder, 0
        folder.path.mkdir()

    def write(self, text: str) -> None:
        with self.folder.training_log.open("a", encoding="utf-8") as log:
            log.write(text)

    def go_on(self, steps: int) -> None:
        """Makes steps, with an epoch at each hundredth."""
        for step in range(self.steps + 1, self.steps + steps + 1):
            if step % 100 == 1:
                self.write(f"2026-11-24 10:00:00 Epoch {step // 100 + 1}/90\n")
            loss = 0.3 + 0.5 / step**0.5 + step % 7 / 50
            self.write(STEP.format(minute=step // 60 % 60, second=step % 60, step=step, loss=loss))
        self.steps += steps


@pytest.fixture
def run(outputs: Path) -> Run:
    made = Run(RunFolder(outputs / "robot"))
    made.go_on(400)
    return made


def open_run(page: Page, server: Server, query: str = "") -> None:
    page.goto(f"{server.url}/run?run=robot{query}")
    page.wait_for_function(f"{LOSS}?.querySelector('.scatterlayer .trace')")


def wait_for_step(page: Page, step: int) -> None:
    page.wait_for_function(f"{LOSS}?.data?.[0]?.x.at(-1) >= {step}", timeout=60_000)


def hide(page: Page, name: str) -> None:
    page.locator(".fluxgym-chart .chart").first.locator(".legend .traces", has_text=name).locator(".legendtoggle").click()
    page.wait_for_function(f"{SHOWN}['{name}'] === 'legendonly'")


def zoom(page: Page) -> list[str]:
    """A rectangle is drawn in the middle of the picture. What is shown then."""
    before = page.evaluate(RANGES)
    area = page.locator(".fluxgym-chart .nsewdrag").first.bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] * 0.3, area["y"] + area["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.6, area["y"] + area["height"] * 0.8, steps=5)
    page.mouse.up()
    page.wait_for_function(f"(before) => {RANGES}.every((range, axis) => range !== before[axis])", arg=before)
    return page.evaluate(RANGES)


def test_zoom_and_legend_are_kept_over_five_refreshes_with_new_data(
    page: Page, server: Server, run: Run, complaints: list[str]
) -> None:
    open_run(page, server)
    hide(page, "each step")
    hide(page, "epochs")
    zoomed = zoom(page)
    for _ in range(5):
        run.go_on(30)
        wait_for_step(page, run.steps)
        assert page.evaluate(RANGES) == zoomed
    run.write(f"2026-11-24 11:00:00 Validation: loss 0.4000 at step {run.steps}\n")
    page.wait_for_function(f"{SHOWN}['validation']")
    assert page.evaluate(SHOWN) == {
        "each step": "legendonly", "smoothed": True, "validation": True, "epochs": "legendonly"
    }  # fmt: skip
    assert page.evaluate(RANGES) == zoomed
    page.locator(".fluxgym-chart .nsewdrag").first.dblclick()
    page.wait_for_function(f"{LOSS}.layout.xaxis.range[1] >= {run.steps}")
    assert complaints == []


def test_all_steps_are_shown_where_the_page_was_open_before_the_first(
    page: Page, server: Server, outputs: Path, complaints: list[str]
) -> None:
    run = Run(RunFolder(outputs / "robot"))
    run.write("2026-11-24 10:00:00 Training: 9000 steps, 90 epochs\n")
    page.goto(f"{server.url}/run?run=robot")
    page.wait_for_function(f"{LOSS}?.layout")
    for steps in (1, 1, 30):  # with few there is room for more, with many there need not be
        run.go_on(steps)
        wait_for_step(page, run.steps)
    page.wait_for_function(f"{LOSS}._fullLayout.xaxis.range[1] >= {run.steps}")
    assert complaints == []


def test_what_was_chosen_is_in_the_address_and_survives_a_reload(
    page: Page, server: Server, run: Run, complaints: list[str]
) -> None:
    open_run(page, server)
    page.get_by_role("radio", name="Time").click()
    page.get_by_text("Log scale").click()
    page.get_by_text("Clip spikes").click()
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    chosen = f"{LOSS}.layout.xaxis.title.text === 'minutes of training' && {LOSS}.layout.yaxis.type === 'log'"
    page.wait_for_function(f"{chosen} && {LOSS}.data[1].y.at(-2) === {LOSS}.data[0].y.at(-2)")  # not smoothed
    page.wait_for_url("**smoothing=0**")
    page.reload()
    page.wait_for_function(f"{LOSS}?.data?.length && {chosen} && {LOSS}.data[1].y.at(-2) === {LOSS}.data[0].y.at(-2)")
    run.go_on(10)
    page.wait_for_function(f"{LOSS}.data[0].x.length === {run.steps}")
    assert page.evaluate(chosen)
    assert complaints == []


def test_a_restart_of_the_server_does_not_freeze_the_charts(page: Page, server: Server, run: Run) -> None:
    open_run(page, server)
    hide(page, "each step")
    zoomed = zoom(page)
    server.kill()
    run.go_on(50)
    server.start()
    page.wait_for_function(f"{LOSS}?.data?.[0]?.x.at(-1) >= {run.steps}", timeout=60_000)
    run.go_on(50)
    wait_for_step(page, run.steps)
    assert page.evaluate(RANGES) == zoomed
    assert page.evaluate(SHOWN)["each step"] == "legendonly"


def test_charts_that_cannot_be_fetched_say_so_and_come_back(page: Page, server: Server, run: Run) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=500, body="no")

    page.route("**/charts/**", fail)
    page.goto(f"{server.url}/run?run=robot")
    said = page.locator(".fluxgym-chart .chart").first
    expect(said).to_have_text("The chart cannot be drawn: the server answered 500. It is tried again.")
    page.unroute("**/charts/**")
    page.wait_for_function(f"{LOSS}.querySelector('.scatterlayer .trace')")
    expect(said).not_to_contain_text("cannot be drawn")
    page.route("**/charts/**", lambda route: route.abort())
    run.go_on(10)
    note = page.locator(".fluxgym-chart .note").first
    expect(note).to_contain_text("Not up to date: ")
    assert page.evaluate(f"{LOSS}.data[0].x.at(-1)") == 400, "the last figure stays"
    page.unroute("**/charts/**")
    wait_for_step(page, 410)
    expect(note).not_to_contain_text("Not up to date")


@pytest.mark.parametrize("address", ["**/code/**", "**/vendor/**"])
def test_scripts_that_cannot_be_fetched_say_so_and_come_back(page: Page, server: Server, run: Run, address: str) -> None:
    page.route(address, lambda route: route.abort())
    page.goto(f"{server.url}/run?run=robot")
    expect(page.get_by_text("It is tried again.").first).to_be_visible()
    page.unroute(address)
    page.wait_for_function(f"{LOSS}?.querySelector('.scatterlayer .trace')")
    expect(page.get_by_text("It is tried again.")).to_have_count(0)


def test_a_phone_shows_every_chart_within_its_width(page: Page, server: Server, run: Run, complaints: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_run(page, server)
    page.wait_for_function("document.querySelectorAll('.fluxgym-chart .main-svg').length >= 5")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for chart in page.locator(".fluxgym-chart .chart").all():
        box = chart.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert box["height"] > 100
    page.set_viewport_size({"width": 844, "height": 390})
    page.wait_for_function(f"{LOSS}._fullLayout.width > 450")
    assert complaints == []


def test_every_number_can_be_had_as_csv(page: Page, server: Server, run: Run) -> None:
    open_run(page, server)
    page.get_by_role("button", name="CSV").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Each step").click()
    assert download.value.suggested_filename == "robot-steps.csv"
    assert len(Path(download.value.path()).read_text().splitlines()) == 401
