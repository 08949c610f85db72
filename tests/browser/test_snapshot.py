"""A frozen run in a real Chromium, opened as a file with the network off: charts alive, samples large, nothing asked for."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fluxgym.view.snapshot import write_snapshot
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"><b>bold</b>'
STEP = "2026-11-24 10:00:{second:02d} steps:  1%|     | {step}/400 [00:00<00:27, 11.00it/s, loss={loss:.4f}, lr=2e-04]\n"
LOSS = "document.getElementById('loss')"
RANGE = f"{LOSS}.layout.xaxis.range?.join(' ')"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def frozen(outputs: Path, tmp_path: Path) -> Path:
    """The file of a run with samples at three epochs, hostile in whatever it says."""
    folder = RunFolder(outputs / "robot")
    folder.samples.mkdir(parents=True)
    log = "2026-11-24 10:00:00 Epoch 1/4\n"
    log += "".join(STEP.format(second=step % 60, step=step, loss=0.3 + 1 / step) for step in range(1, 201))
    log += f"2026-11-24 10:10:00 Validation: loss 0.4000 at step 200\n2026-11-24 10:10:01 {HOSTILE} hf_{'aB3' * 12}\n"
    folder.training_log.write_text(log, encoding="utf-8")
    prompts = [f"a robot {HOSTILE}", "a panda"]
    folder.config.write_text(f"[sample]\nprompts = {json.dumps(prompts)}\n", encoding="utf-8")
    for epoch in range(3):
        for prompt in range(2):
            path = folder.samples / f"robot_e{epoch:06d}_{prompt:02d}_2026112410{epoch:04d}_42.png"
            Image.new("RGB", (512, 512), (80 * epoch, 100, 100 * prompt)).save(path)
    path = tmp_path / "sent by mail" / "a robot #1.html"
    path.parent.mkdir()
    path.write_bytes(b"".join(write_snapshot(folder)))
    return path


@pytest.fixture
def open_frozen(chromium: Browser, frozen: Path) -> Iterator[Callable[..., Page]]:
    """open_frozen(...): the file in a browser of its own that has no network; whatever it asks for or complains of fails."""
    contexts, asked, told = [], [], []

    def open_file(**options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 1000}, "offline": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda said: told.append(said.text) if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
        page.goto(frozen.as_uri())
        wait_for(page, f"{LOSS}.querySelector('.scatterlayer .trace')")
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert asked == [frozen.as_uri()] * len(contexts)
    assert told == []


def wait_for(page: Page, condition: str) -> None:
    """Playwright's own waiting makes functions of texts in the page, which its policy forbids, as it should."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def zoom(page: Page) -> str:
    """A rectangle is drawn in the middle of the picture. What is shown then."""
    before = page.evaluate(RANGE)
    area = page.locator("#loss .nsewdrag").first.bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] * 0.3, area["y"] + area["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.6, area["y"] + area["height"] * 0.8, steps=5)
    page.mouse.up()
    wait_for(page, f"{RANGE} !== {json.dumps(before)}")
    return page.evaluate(RANGE)


def test_charts_are_alive_without_a_network(open_frozen: Callable[..., Page]) -> None:
    page = open_frozen()
    expect(page.locator("#epochs .barlayer .point")).to_have_count(1)
    zoomed = zoom(page)
    page.locator("#loss .legend .traces", has_text="each step").locator(".legendtoggle").click()
    wait_for(page, f"{LOSS}._fullData[0].visible === 'legendonly'")
    page.get_by_label("Log scale").check()
    wait_for(page, f"{LOSS}.layout.yaxis.type === 'log'")
    assert page.evaluate(RANGE) == zoomed
    assert page.evaluate(f"{LOSS}._fullData[0].visible") == "legendonly"
    page.get_by_role("button", name="Time").click()
    wait_for(page, f"{LOSS}.layout.xaxis.title.text.includes('of training')")
    expect(page.get_by_role("button", name="Time")).to_have_attribute("aria-pressed", "true")


def test_whatever_it_says_is_text(open_frozen: Callable[..., Page]) -> None:
    page = open_frozen()
    expect(page.locator("pre.log")).to_contain_text(f"{HOSTILE} [secret]")
    expect(page.locator(".prompt > span").first).to_have_text(f"a robot {HOSTILE}")
    expect(page.locator("b, img[src=x]")).to_have_count(0)
    assert page.evaluate("document.scripts.length") == 3


def test_a_sample_is_shown_large_and_compared(open_frozen: Callable[..., Page]) -> None:
    page = open_frozen()
    page.locator("button.cell").nth(1).click()
    viewer = page.get_by_role("dialog")
    expect(viewer).to_contain_text("epoch 1")
    wait_for(page, "document.querySelector('.fluxgym-viewer .front').naturalWidth === 512")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("epoch 2")
    viewer.get_by_role("button", name="Compare").click()
    expect(viewer).to_contain_text("base model and epoch 2")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_a_script_that_was_put_in_later_does_not_run(chromium: Browser, frozen: Path) -> None:
    text = frozen.read_text(encoding="utf-8")
    frozen.write_text(text.replace("<main>", "<main><script>window.broken = 1</script>", 1), encoding="utf-8")
    page = chromium.new_page(offline=True)
    page.goto(frozen.as_uri())
    wait_for(page, f"{LOSS}.querySelector('.scatterlayer .trace')")
    assert page.evaluate("window.broken") is None
    page.close()


def test_it_fits_a_phone_and_its_theme(open_frozen: Callable[..., Page]) -> None:
    page = open_frozen(viewport=PHONE, color_scheme="dark", is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 23)"
    assert page.evaluate(f"{LOSS}._fullData.find((trace) => trace.name === 'smoothed').line.color") == "#56B4E9"
    page.emulate_media(color_scheme="light")
    wait_for(page, f"{LOSS}._fullData.find((trace) => trace.name === 'smoothed').line.color === '#0072B2'")


def test_paper_is_white(open_frozen: Callable[..., Page]) -> None:
    page = open_frozen(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(f"{LOSS}._fullData.find((trace) => trace.name === 'smoothed').line.color") == "#0072B2"
    assert page.evaluate(f"{LOSS}._fullLayout.width") == 660
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(f"{LOSS}._fullData.find((trace) => trace.name === 'smoothed').line.color") == "#56B4E9"
