"""A visitor in a real Chromium of their own: sees a run grow, end and be taken back; on a phone, with nothing to press."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Response, expect

from fluxgym.access.links import PARTS, Link, make_link, revoke
from fluxgym.run.launch import stop_run
from tests.browser.conftest import Server
from tests.small_training import write_lora
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SECRETS = ("/home/alice", "another-run")
VISIBLE = """[...document.querySelectorAll('button, input, select, textarea, summary, [role=tab], [role=slider]')]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.offsetParent)
  .map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    """A profile that has never seen this server. What its scripts complain about fails the test."""
    context = chromium.new_context(**PHONE)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    opened, complaints = context.new_page(), []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def live(start_small: Callable[..., RunFolder], outputs: Path, wait_until: Callable[..., object]) -> RunFolder:
    """A run under way that has samples, settings and LoRA files; beside it another."""
    (outputs / "another-run").mkdir()
    (outputs / "another-run" / "config.toml").touch()
    folder = start_small("--steps", "100000", "--pause", "0.05", name="small")
    folder.samples.mkdir(exist_ok=True)
    prompts = ", ".join(f'"prompt {number}"' for number in range(2))
    config = f'name = "small"\n[data]\nfolder = "/home/alice/cats"\n[sample]\nprompts = [{prompts}]\n'
    folder.config.write_text(config, encoding="utf-8")
    for epoch in range(8):
        draw(folder, epoch)
    write_lora(folder.epoch_lora(2))
    wait_until(lambda: folder.training_log.exists() and b"30/100000" in folder.training_log.read_bytes())
    return folder


def draw(folder: RunFolder, epoch: int) -> None:
    for prompt in range(2):
        name = f"small_e{epoch:06d}_{prompt:02d}_{20261124100000 + epoch}_{42 + prompt}.png"
        Image.new("RGB", (640, 640), (30 * epoch % 256, 60, 128)).save(folder.samples / name)


def come(page: Page, server: Server, folder: RunFolder, *parts: str) -> Link:
    link, token = make_link(folder, parts=parts)
    page.goto(f"{server.url}/s/{token}/")
    expect(page.get_by_test_id("stMetric")).to_have_count(6)
    return link


def step_of(page: Page) -> int:
    return int(page.get_by_test_id("stProgress").inner_text().split()[1].replace(",", ""))


def test_a_visitor_sees_the_run_grow_end_and_be_taken_back(
    server: Server, live: RunFolder, phone: Page, wait_until: Callable[..., object]
) -> None:
    link = come(phone, server, live, *PARTS)
    head = phone.locator(".st-key-shared-head")
    expect(head).to_contain_text("Running")
    before = step_of(phone)
    lines = phone.locator(".fluxgym-log .lines > div")
    expect(lines).to_have_count(100, timeout=60_000)
    last = lines.last.inner_text()
    phone.locator(".fluxgym-chart .main-svg").first.wait_for()
    phone.locator(".fluxgym-chart").first.evaluate("chart => (chart.dataset.kept = 'yes')")
    wait_until(lambda: step_of(phone) > before + 100 and lines.last.inner_text() != last, 30)
    assert phone.locator(".fluxgym-chart[data-kept]").count() == 1, "a refresh changes the chart that is there"
    expect(phone.get_by_text("Shown by FluxGym")).to_be_attached()
    stop_run(live, wait=30)
    expect(head).to_contain_text("Stopped", timeout=60_000)
    assert phone.evaluate(VISIBLE) == [], "its styles outlive refreshes"
    text = phone.locator("body").inner_text()
    assert "by you" not in text
    assert "Resume" not in text
    assert not any(secret in phone.content() for secret in SECRETS)
    revoke(live, link.id)
    expect(phone.get_by_test_id("stMetric")).to_have_count(0, timeout=60_000)
    expect(phone.locator("body")).not_to_contain_text("Stopped")


def test_a_phone_s_first_screen_says_it_all_and_nothing_can_be_pressed(server: Server, live: RunFolder, phone: Page) -> None:
    come(phone, server, live, *PARTS)
    expect(phone.locator(".fluxgym-chart .main-svg").first).to_be_visible()
    expect(phone.locator(".fluxgym-samples a.cell img").first).to_be_visible()
    for each in (
        phone.get_by_role("heading", name="small"),
        phone.get_by_test_id("stProgress"),
        phone.get_by_test_id("stMetric").last,
    ):
        box = each.bounding_box()
        assert box and box["y"] + box["height"] <= 844
    phone.locator(".stCode").hover()
    assert phone.evaluate(VISIBLE) == []
    assert phone.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
    expect(phone.locator(".fluxgym-samples .head .label").last).to_have_text("epoch 7")
    left, width, whole = phone.locator(".fluxgym-samples .scrolls").evaluate(
        "box => [box.scrollLeft, box.clientWidth, box.scrollWidth]"
    )
    assert whole > width
    assert left + width == pytest.approx(whole, abs=2), "what was drawn last is in view"


def test_a_finger_on_a_chart_scrolls_the_page(server: Server, live: RunFolder, phone: Page) -> None:
    come(phone, server, live)
    chart = phone.locator(".fluxgym-chart .main-svg").first
    expect(chart).to_be_visible()
    expect(phone.locator(".fluxgym-chart .bars").first).to_be_attached()
    box = chart.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, min(box["y"] + 200, 800)
    fingers = phone.context.new_cdp_session(phone)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for moved in range(10, 160, 10):
        fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - moved}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.wait_for_function("document.querySelector('.stMain').scrollTop > 50")


def test_a_sample_opens_in_full_size_without_what_its_file_says(server: Server, live: RunFolder, phone: Page) -> None:
    kinds: list[str] = []

    def hear(answer: Response) -> None:
        if "/pictures/" in answer.url and "small=1" not in answer.url:
            kinds.append(answer.headers["content-type"])

    phone.on("response", hear)
    come(phone, server, live, "samples")
    phone.locator(".fluxgym-samples a.cell").last.click()
    expect(phone.locator(".fluxgym-viewer .told strong")).to_have_text("prompt 1")
    phone.wait_for_function("document.querySelector('.fluxgym-viewer .front').naturalWidth === 640")
    assert set(kinds) == {"image/webp"}


def test_what_is_not_ticked_is_not_asked_for(
    server: Server, live: RunFolder, phone: Page, wait_until: Callable[..., object]
) -> None:
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.url))
    come(phone, server, live)
    expect(phone.locator(".fluxgym-chart .main-svg").first).to_be_visible()
    before = step_of(phone)
    wait_until(lambda: step_of(phone) > before)
    assert any("/charts/small/learns" in url for url in asked)
    assert not [url for url in asked if "/files/" in url or ("/media/" in url and "/static/media/" not in url)]
    text = phone.locator("body").inner_text()
    assert not any(said in text for said in ("Samples", "Log", "Settings", "LoRA files"))


def test_a_file_that_is_ticked_can_be_saved(server: Server, live: RunFolder, phone: Page) -> None:
    come(phone, server, live, "checkpoints")
    with phone.expect_download() as saved:
        phone.get_by_text("small-000002.safetensors").click()
    assert Path(saved.value.path()).read_bytes() == live.epoch_lora(2).read_bytes()
    assert saved.value.suggested_filename == "small-000002.safetensors"


def test_it_outlives_a_restart_of_the_server(
    server: Server, live: RunFolder, phone: Page, wait_until: Callable[..., object]
) -> None:
    come(phone, server, live, "log")
    server.kill()
    server.start()
    before = step_of(phone)
    wait_until(lambda: step_of(phone) > before, 60)
