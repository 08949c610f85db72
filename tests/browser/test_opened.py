"""A folder of another tool in a real Chromium: opened by its path, looked at in every tab, marked, and left as it was."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from fluxgym.run.folders import list_opened
from fluxgym.view.board import read_marks
from tests.browser.conftest import Server
from tests.small_training import write_lora

pytestmark = pytest.mark.browser
MARKUP = '<img src=x onerror="document.body.dataset.hurt=1"> **b** :red[x]'
SLOW = 60_000  # ms, the first page of a server


def stamps(path: Path) -> dict[str, tuple[int, int]]:
    return {str(each): (each.lstat().st_mtime_ns, each.lstat().st_size) for each in sorted(path.rglob("*"))} | {
        str(path): (path.stat().st_mtime_ns, 0)
    }


@pytest.fixture
def kohya(tmp_path: Path) -> Path:
    """As kohya's trainer leaves it in the middle, and somebody had strange names for it."""
    path = tmp_path / MARKUP
    (path / "sample").mkdir(parents=True)
    bars = [f"\rsteps:  {step}%|##### | {step}/100 [00:{step:02d}<01:00,  1.00s/it, avr_loss=0.2]" for step in range(1, 51)]
    (path / "train.log").write_text("epoch 1/2\n" + "".join(bars), encoding="utf-8")
    (path / "sample_prompts.txt").write_text(f"a girl {MARKUP} --d 42\n", encoding="utf-8")
    for epoch in (1, 2):
        write_lora(path / f"x-{epoch:06d}.safetensors", metadata={"ss_steps": str(25 * epoch), "remark": MARKUP})
        Image.new("RGB", (64, 64)).save(path / "sample" / f"x_e{epoch:06d}_00_2026112410150{epoch}_42.png")
    (path / "self").symlink_to(path)
    for each in path.iterdir():
        os.utime(each, (1.79e9, 1.79e9), follow_symlinks=False)
    return path


def test_it_is_opened_looked_at_and_left_as_it_was(
    page: Page, server: Server, kohya: Path, wait_until: Callable[..., object]
) -> None:
    before = stamps(kohya)
    page.goto(server.url)
    page.get_by_role("button", name="Open a folder").click(timeout=SLOW)
    dialog, path = page.get_by_role("dialog"), page.get_by_label("Path of the folder")
    path.fill(f"{kohya}x")
    dialog.get_by_role("button", name="Open", exact=True).click()
    expect(dialog.get_by_text("did you mean")).to_be_visible(timeout=SLOW)
    path.fill(str(kohya))
    dialog.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_text("Opened to be read, nothing is written into it")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()
    expect(page.get_by_text("Whether it is alive is not known here.")).to_be_visible()
    expect(page.locator(".chart .main-svg").first).to_be_visible(timeout=SLOW)

    page.get_by_role("radio", name="Samples").click()
    expect(page.locator(".chart")).to_have_count(0, timeout=SLOW)  # the first tab has samples too, which go with its charts
    expect(page.locator(".fluxgym-samples .prompt span").first).to_have_text(f"a girl {MARKUP}", timeout=SLOW)
    expect(page.locator(".fluxgym-samples a.cell img")).to_have_count(2)
    page.locator(".fluxgym-samples a.cell img").first.scroll_into_view_if_needed()
    expect(page.locator(".fluxgym-samples a.cell img").first).to_have_js_property("naturalWidth", 64, timeout=SLOW)

    page.get_by_role("radio", name="Checkpoints").click()
    lora = page.locator("article.lora", has_text="x-000002.safetensors")
    lora.get_by_title("Give it a star").click(timeout=SLOW)
    [folder] = list_opened()
    wait_until(lambda: any(mark.star for mark in read_marks(folder).values()))
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    for nothing in ("Stop", "Resume", "Train longer", "Another like this"):
        expect(page.get_by_role("button", name=nothing)).to_have_count(0)
    assert page.evaluate("document.body.dataset.hurt") is None
    assert stamps(kohya) == before
