"""The pages of a run that is stuck, broke, was lost, waits or pauses, as a person uses them; and that nothing jumps."""

import dataclasses
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fluxgym.form import form
from fluxgym.run.care import NONE, Care
from fluxgym.run.create import create_run
from fluxgym.run.launch import start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record, write_record
from fluxgym.run.status import read_status
from tests.browser.conftest import Server
from tests.fluxgym.view.runs import failed, make_run, step_lines
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser

CRASH = ("--steps", "50", "--state-at", "20", "--end-at", "30", "--code")


@pytest.fixture
def demo(outputs: Path) -> Iterator[RunFolder]:
    """The demo, under way."""
    folder = create_run(form.to_config(form.demo_values()))
    start_run(folder, care=Care(place=NONE))
    yield folder
    if read_status(folder).is_active:
        stop_run(folder, wait=60)


def see(page: Page, server: Server, run: str, *sentences: str) -> None:
    page.goto(f"{server.url}/run?run={run}")
    for sentence in sentences:
        page.get_by_text(sentence).first.wait_for()


def told(page: Page, words: str | re.Pattern[str]) -> Locator:
    """A sentence of the page; the log of the monitor, which lies closed below, may have the same."""
    return page.locator("p", has_text=words)


def badge(page: Page, word: str) -> Locator:
    return page.locator(".stMarkdownBadge", has_text=word)


def top(part: Locator) -> float:
    box = part.bounding_box()
    assert box
    return box["y"]


def test_a_stalled_run_says_so_while_somebody_looks(
    page: Page, server: Server, start_small: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.05")
    start_small("--steps", "500", "--pause", "0.1", "--hang-at", "150", care=Care(place=NONE))
    see(page, server, "small", "Learning.")
    badge(page, "Stalled").wait_for()
    told(page, "Nothing is done about it by itself: stop it, or wait.").wait_for()
    page.get_by_role("link", name="Runs").click()
    badge(page, "Stalled").wait_for()


def test_a_crash_is_told_with_its_end_and_resumes(page: Page, server: Server, start_small: Callable[..., RunFolder]) -> None:
    folder = start_small(*CRASH, "1", "--attempts", "1")
    wait_for_end(folder, 30)
    see(page, server, "small", "Failed at step 30 of 50, the cause is not in the log.", "Nothing is lost.")
    expect(page.locator(".fluxgym-log .lines").first).to_contain_text("30/50")
    page.get_by_role("button", name="Resume", exact=True).click()
    badge(page, "Completed").wait_for()


def test_a_pause_before_it_goes_on_can_be_ended(
    page: Page, server: Server, start_small: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    folder = start_small(*CRASH, "-9", care=Care(place=NONE, resume_after_crash=True))
    see(page, server, "small", "The training was killed at step 30 of 50. It resumes by itself in")
    expect(told(page, re.compile(r"from the state of step 20; 1 of 3\."))).to_be_visible()
    page.get_by_role("button", name="Do not resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Resume goes on from the state of step 20")
    dialog.get_by_role("button", name="Do not resume").click()
    told(page, "Removed from the queue before it went on by itself.").wait_for()
    assert read_status(folder).state == "stopped"


def test_a_pause_before_it_goes_on_can_be_cut_short(
    page: Page, server: Server, start_small: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    start_small(*CRASH, "-9", "--attempts", "1", care=Care(place=NONE, resume_after_crash=True))
    see(page, server, "small", "It resumes by itself in")
    expect(page.get_by_role("button", name="Move up")).to_be_hidden()
    page.get_by_role("button", name="Resume now").click()
    badge(page, "Completed").wait_for()


def test_a_lost_run_goes_on_by_one_button(
    page: Page, server: Server, start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    folder = start_small("--steps", "50", "--state-at", "20", "--hang-at", "30", "--attempts", "1")
    reboot(folder)
    see(
        page, server, "small", "Lost", "The machine restarted at step 30 of 50. Nothing is lost. The state of step 20 is whole;"
    )
    wait_until(lambda: (record := read_record(folder)) and record.verdict)  # by a supervisor that the page sent for that
    page.get_by_role("button", name="Resume", exact=True).click()
    badge(page, "Completed").wait_for()


def reboot(folder: RunFolder) -> None:
    """All of it is dead, and its identities are of another boot."""
    deadline = time.monotonic() + 30
    while "30/50" not in (folder.training_log.read_text(encoding="utf-8") if folder.training_log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    record = read_record(folder)
    assert record and record.supervisor and record.attempts[-1].training
    training, supervisor = record.attempts[-1].training, record.supervisor
    for each in (supervisor, training):
        each.signal(signal.SIGKILL)
        while each.alive():
            time.sleep(0.02)
    other = "00000000-0000-4000-8000-000000000000"
    attempt = dataclasses.replace(record.attempts[-1], training=dataclasses.replace(training, boot_id=other))
    gone = dataclasses.replace(supervisor, boot_id=other)
    write_record(folder, dataclasses.replace(record, supervisor=gone, attempts=[attempt]))


def test_the_line_is_shown_changed_and_left(
    page: Page, server: Server, start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    first = start_small("--steps", "100000", "--pause", "0.1", name="first", care=Care())
    wait_until(lambda: read_status(first).state == "running")
    others = [start_small("--steps", "5", name=name, care=Care()) for name in ("second", "third")]
    wait_until(lambda: all(turn and turn.total == 2 for turn in (read_status(folder).queue for folder in others)))
    page.goto(server.url)
    told(page, re.compile(r"First in line for .*, after first\.")).wait_for()
    names = page.locator("[class*='st-key-card-'] strong")
    expect(names).to_have_text(["first", "second", "third"])
    third = page.locator(".st-key-card-third")
    third.get_by_role("button", name="Start next").click()
    expect(names).to_have_text(["first", "third", "second"])
    third.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    told(page, "Removed from the queue before it began.").wait_for()
    assert read_status(others[0]).state == "queued"


def test_the_dialog_of_a_resume_stays_and_resumes_from_what_was_chosen(
    page: Page, server: Server, start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    folder = start_small(*CRASH, "1", "--attempts", "2")
    wait_for_end(folder, 30)
    see(page, server, "small", "Nothing is lost.")
    page.get_by_role("button", name="Resume from ...").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Step 20")
    expect(dialog).to_contain_text("30 steps left to epoch 1")
    age = page.get_by_test_id("stMetricValue").last
    for _ in range(2):  # refreshes
        expect(age).not_to_have_text(age.inner_text(), timeout=60_000)
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Resume", exact=True).click()
    expect(dialog).to_be_hidden()
    wait_until(lambda: read_record(folder).attempts[-1].resumed_from == "small-step00000020-state", 30)


def test_save_now_is_heard_in_its_place(page: Page, server: Server, demo: RunFolder, wait_until: Callable[..., object]) -> None:
    page.goto(f"{server.url}/run?run=demo")
    save, stop = page.get_by_role("button", name="Save now", exact=True), page.get_by_role("button", name="Stop", exact=True)
    expect(save).to_be_enabled(timeout=120_000)  # it has to load and draw before its first step
    places = [part.bounding_box() for part in (save, stop)]
    save.click()
    wait_until(lambda: list(demo.path.glob("demo-step*.safetensors")) and list(demo.path.glob("demo-*-state")), 60)
    expect(save).to_be_enabled(timeout=60_000)
    page.get_by_text(re.compile(r"Saved at step \d+")).wait_for()
    assert [part.bounding_box() for part in (save, stop)] == places


def test_a_wish_that_waits_moves_nothing(page: Page, server: Server, demo: RunFolder) -> None:
    page.goto(f"{server.url}/run?run=demo")
    expect(page.get_by_role("button", name="Save now", exact=True)).to_be_enabled(timeout=120_000)
    parts = [
        page.get_by_role("button", name="Sample now"),
        page.get_by_role("button", name="Stop", exact=True),
        page.get_by_text("Time left"),
    ]
    places = [part.bounding_box() for part in parts]
    training = read_record(demo).attempts[-1].training
    training.signal(signal.SIGSTOP)  # so that the wish waits for as long as we look
    try:
        page.get_by_role("button", name="Save now", exact=True).click()
        waits = page.get_by_role("button", name="Will save")
        waits.wait_for()
        expect(waits).to_be_disabled()
        assert [part.bounding_box() for part in parts] == places
    finally:
        training.signal(signal.SIGCONT)
    expect(page.get_by_role("button", name="Save now", exact=True)).to_be_enabled(timeout=60_000)


def test_the_title_stays_where_it_is_when_its_buttons_go(
    page: Page, server: Server, start_small: Callable[..., RunFolder]
) -> None:
    start_small("--steps", "500", "--pause", "0.1", "--saving", "8")
    see(page, server, "small", "Learning.")
    before = top(page.get_by_text("Time left"))
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    badge(page, "Stopping").wait_for()
    page.get_by_role("button", name="Stop", exact=True).wait_for(state="hidden")
    assert top(page.get_by_text("Time left")) == before


def test_the_switches_of_the_form_and_of_a_run_survive_a_reload(
    page: Page, server: Server, start_small: Callable[..., RunFolder], outputs: Path, wait_until: Callable[..., object]
) -> None:
    page.goto(f"{server.url}/train")
    page.get_by_text("Enable checkpointing").click()
    page.get_by_text("after a crash or a power loss it begins at the beginning").wait_for()
    page.get_by_text("When it is stuck or breaks").click()
    page.get_by_text("Resume by itself after a crash").click()
    kept = outputs / ".draft" / "ui_state.json"
    wait_until(lambda: '"care.resume_after_crash": true' in kept.read_text(encoding="utf-8"), 20)
    page.reload()
    expect(page.get_by_role("switch", name="Enable checkpointing")).not_to_be_checked()
    start_small("--steps", "5000", "--pause", "0.1")
    page.goto(f"{server.url}/run?run=small&tab=Settings")
    page.get_by_text("Resume by itself after a crash").click()
    wait_until(lambda: '"resume_after_crash": true' in (outputs / "small" / "care.json").read_text(encoding="utf-8"), 20)
    page.get_by_role("radio", name="Progress").click()
    page.locator(".chart").first.wait_for()
    expect(page.get_by_text("When it is stuck")).to_be_hidden()


@pytest.mark.parametrize(
    ("address", "there"),
    [("settings", "None is set up yet"), ("run?run=small", "at step 3 of 5"), ("run?run=small&tab=Settings", "Notify me")],
)
def test_a_phone_needs_no_scrolling_sideways(
    chromium: Browser, server: Server, start_small: Callable[..., RunFolder], address: str, there: str
) -> None:
    wait_for_end(start_small("--end-at", "3", "--code", "1"), 30)
    phone = chromium.new_page(viewport={"width": 390, "height": 844})
    server.sign_in(phone.context)
    phone.goto(f"{server.url}/{address}")
    phone.locator("h1").wait_for()
    phone.get_by_text(there).first.wait_for()
    wide, screen = phone.locator("[data-testid=stMain]").evaluate("main => [main.scrollWidth, main.clientWidth]")
    phone.close()
    assert wide <= screen


def test_on_a_phone_the_tabs_are_one_row_and_the_last_lines_are_whole(
    chromium: Browser, server: Server, outputs: Path, wait_until: Callable[..., object]
) -> None:
    words = "with much to say of what it did, and where, and why, and for how long it did so"
    verdict = dataclasses.replace(
        failed(12, 100, "other", "It broke off."), last_lines=[f"line {i} {words}" for i in range(12)]
    )
    make_run(outputs / "small", step_lines(1, 12, 100), verdict)
    phone = chromium.new_page(viewport={"width": 360, "height": 800}, color_scheme="dark")
    server.sign_in(phone.context)
    phone.goto(f"{server.url}/run?run=small")
    box = phone.locator(".fluxgym-log .lines").first
    box.get_by_text("line 11").wait_for()
    seen, hidden, wide = box.evaluate(
        "e => { const line = parseFloat(getComputedStyle(e).lineHeight);"
        "return [e.clientHeight / line, e.scrollTop / line, e.scrollWidth - e.clientWidth] }"
    )
    assert hidden > 1
    assert abs(seen - round(seen)) < 0.1, "no line is cut"
    assert wide <= 0
    tabs = phone.locator(".st-key-tab").get_by_role("radio")
    expect(tabs).to_have_count(5)
    assert len({top(tab) for tab in tabs.all()}) == 1
    phone.locator(".chart .main-svg").first.wait_for()
    wait_until(lambda: phone.evaluate("() => document.querySelector('.chart').data[1].line.color") == "#56B4E9", 20)
    phone.close()
