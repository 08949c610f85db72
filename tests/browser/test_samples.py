"""Samples and the board in a real Chromium: hundreds of pictures, refreshes that cost nothing, stars, notes, deletion."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from fluxgym.view.board import Mark, read_marks
from tests.browser.conftest import Server, wait_for_refreshes
from tests.small_training import write_lora
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
MARKUP = '<img src=x onerror="document.body.dataset.hurt=1">'
FRAMES = """([selector, frames]) => new Promise((resolve) => {
  const box = document.querySelector(selector), times = [];
  const step = (time) => {
    times.push(time);
    box.scrollLeft += 40;
    times.length < frames ? requestAnimationFrame(step) : resolve((times.at(-1) - times[0]) / (frames - 1));
  };
  requestAnimationFrame(step);
})"""


@pytest.fixture
def make(outputs: Path) -> Callable[..., RunFolder]:
    """make(prompts, epochs): a run with a picture for each prompt and epoch, the base model first, whose log has one step."""

    def make(prompts: list[str], epochs: int, name: str = "robot") -> RunFolder:
        folder = RunFolder(outputs / name)
        folder.samples.mkdir(parents=True)
        quoted = ", ".join(f"'{prompt}'" for prompt in prompts)
        folder.config.write_text(f"trigger = 'sks robot'\n[sample]\nprompts = [{quoted}]\n", encoding="utf-8")
        folder.training_log.write_text(
            "steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.12]\n", encoding="utf-8"
        )
        for epoch in range(epochs):
            draw(folder, epoch, len(prompts))
        return folder

    return make


def draw(folder: RunFolder, epoch: int, prompts: int) -> None:
    for prompt in range(prompts):
        name = f"{folder.name}_e{epoch:06d}_{prompt:02d}_{20261124100000 + epoch}_{42 + prompt}.png"
        Image.new("RGB", (96, 64), (epoch % 256, 60 * prompt % 256, 128)).save(folder.samples / name)


def open_tab(page: Page, server: Server, tab: str, run: str = "robot") -> None:
    page.goto(f"{server.url}/run?run={run}&tab={tab}")
    page.wait_for_selector(".fluxgym-samples a.cell img" if tab == "Samples" else ".fluxgym-board .lora")


def shown(page: Page) -> None:
    page.wait_for_function(
        "[...document.querySelectorAll('.fluxgym-viewer img')].every((each) => each.complete && each.naturalWidth)"
    )


def test_500_samples_scroll_and_cost_nothing_at_a_refresh(page: Page, server: Server, make: Callable[..., RunFolder]) -> None:
    folder = make(["a robot", "in snow", "at sea", "on Mars"], 125)
    make(["a robot", "in snow", "at sea", "on Mars"], 30, name="few")
    open_tab(page, server, "Samples", "few")
    page.wait_for_load_state("networkidle")
    few = page.evaluate(FRAMES, [".fluxgym-samples .scrolls", 60])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_tab(page, server, "Samples")
    page.wait_for_load_state("networkidle")
    assert page.locator(".fluxgym-samples a.cell").count() == 500
    assert 8 <= sum("/pictures/" in url for url in asked) < 250, "only what is in view or near it is fetched"
    many = page.evaluate(FRAMES, [".fluxgym-samples .scrolls", 60])
    assert many < 3 * few, f"a frame takes {many:.1f} ms with 500 samples, {few:.1f} ms with 120"

    page.evaluate("document.querySelector('.fluxgym-samples .scrolls').scrollLeft = 1e6")
    last = page.locator(".fluxgym-samples .row >> nth=4").locator("a.cell img").last
    page.wait_for_function("(picture) => picture.complete && picture.naturalWidth", arg=last.element_handle())
    page.wait_for_load_state("networkidle")
    page.evaluate("window.first = document.querySelector('.fluxgym-samples a.cell')")
    asked.clear()
    wait_for_refreshes(page, 3)
    assert [url for url in asked if "/files/" in url] == []
    assert page.evaluate("window.first === document.querySelector('.fluxgym-samples a.cell')"), "the nodes are the same"

    # what is looked at stays where it is when newer ones come in on the left of it
    page.evaluate("document.querySelector('.fluxgym-samples .scrolls').scrollLeft = 3000")
    cell = page.locator('.fluxgym-samples a.cell[title="a robot, epoch 90"]')
    before = cell.bounding_box()
    draw(folder, 125, 4)
    expect(page.locator(".fluxgym-samples .count")).to_have_text("504 samples of 4 prompts", timeout=60_000)
    after = cell.bounding_box()
    assert before and after and abs(before["x"] - after["x"]) < 2


def test_a_half_written_picture_says_so_until_it_is_whole(page: Page, server: Server, make: Callable[..., RunFolder]) -> None:
    folder = make(["a robot"], 2)
    path = next(folder.samples.glob("*_e000001_*"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    open_tab(page, server, "Samples")
    cell = page.locator('.fluxgym-samples a.cell[title="a robot, epoch 1"]')
    expect(cell).to_have_class("cell waits")
    said = cell.evaluate("(each) => getComputedStyle(each, '::after').content")
    assert said == '"not whole yet"'
    path.write_bytes(whole)
    expect(cell).to_have_class("cell", timeout=60_000)
    expect(cell.locator("img")).to_have_js_property("naturalWidth", 96)


def test_one_in_full_size_beside_another_over_refreshes(page: Page, server: Server, make: Callable[..., RunFolder]) -> None:
    make([MARKUP, "in snow"], 5)
    open_tab(page, server, "Samples")
    expect(page.locator(".fluxgym-samples .prompt span").first).to_have_text(MARKUP)
    page.locator(f".fluxgym-samples a.cell[title='{MARKUP}, epoch 2']").click()
    viewer, below = page.locator("dialog.fluxgym-viewer"), page.locator(".fluxgym-viewer .below")
    expect(below).to_have_text("epoch 2 · seed 42 · 3 of 5")
    shown(page)
    page.keyboard.press("ArrowRight")
    expect(below).to_contain_text("epoch 3")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".fluxgym-viewer .said")).to_have_text("in snow")
    expect(below).to_have_text("epoch 3 · seed 43 · 4 of 5")
    page.get_by_role("button", name="Compare two epochs").click()
    expect(below).to_have_text("base model and epoch 3 · seed 43")
    page.get_by_label("On the left").select_option("epoch 1")
    shown(page)
    line = page.locator(".fluxgym-viewer .line")
    middle = line.bounding_box()
    stage = page.locator(".fluxgym-viewer .stage").bounding_box()
    assert middle and stage
    page.mouse.move(middle["x"], stage["y"] + 50)
    page.mouse.down()
    page.mouse.move(middle["x"] + 150, stage["y"] + 50)
    page.mouse.up()
    moved = line.bounding_box()
    assert moved and abs(moved["x"] - middle["x"] - 150) < 3
    clip = page.locator(".fluxgym-viewer .front").evaluate("(picture) => picture.style.clipPath")
    assert "inset" in clip
    wait_for_refreshes(page, 2)
    expect(below).to_have_text("epoch 1 and epoch 3 · seed 43")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    assert page.evaluate("document.body.dataset.hurt") is None


def test_stars_and_notes_last_and_a_deletion_is_asked_for(
    page: Page, server: Server, make: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    folder = make(["a robot"], 5)
    for epoch in (2, 4):
        write_lora(folder.epoch_lora(epoch), metadata={"remark": MARKUP})
    open_tab(page, server, "Checkpoints")
    expect(page.locator(".fluxgym-board .word")).to_have_text("sks robot")
    kept = page.locator("article.lora", has_text="robot-000004.safetensors")
    expect(kept.locator(".samples img")).to_have_count(1)
    kept.get_by_title("Give it a star").click()
    note = kept.locator(".note")
    note.fill("half a thou")
    wait_for_refreshes(page, 2)
    expect(note).to_have_value("half a thou")
    note.fill(f"the one {MARKUP}")
    note.press("Enter")
    name = folder.epoch_lora(4).name
    wait_until(lambda: read_marks(folder).get(name) == Mark(star=True, note=f"the one {MARKUP}"))
    kept.get_by_role("button", name="Details").click()
    kept.locator("summary").click()
    expect(kept.locator("dd", has_text="onerror")).to_have_text(MARKUP)
    page.reload()
    expect(kept.locator(".note")).to_have_value(f"the one {MARKUP}")
    expect(kept.get_by_title("Take the star away")).to_be_visible()
    order = page.locator(".fluxgym-board select")
    order.select_option("Starred first")
    page.reload()
    expect(order).to_have_value("Starred first")

    kept.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this LoRA?")
    expect(dialog).to_contain_text("You gave it a star.")
    wait_for_refreshes(page, 1)
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_have_count(0)
    assert folder.epoch_lora(4).exists()
    kept.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(kept).to_have_count(0)
    assert not folder.epoch_lora(4).exists()
    assert folder.epoch_lora(2).exists()
    assert page.evaluate("document.body.dataset.hurt") is None


def test_a_phone_shows_both_without_scrolling_the_page_sideways(
    page: Page, server: Server, make: Callable[..., RunFolder]
) -> None:
    folder = make(["a robot with a name that is long enough to need more than one line of a phone", "in snow"], 6)
    write_lora(folder.epoch_lora(4))
    page.set_viewport_size({"width": 390, "height": 844})
    for tab, part in (("Samples", ".fluxgym-samples .prompt span"), ("Checkpoints", ".fluxgym-board .does")):
        open_tab(page, server, tab)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = page.locator(part).last.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
