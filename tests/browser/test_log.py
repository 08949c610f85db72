"""The log panel in a real Chromium: live, searched, jumped through, scrolled, selected; without its server too."""

import gzip
import re
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from fluxgym.run.old_logs import archive_log
from fluxgym.run.record import Attempt, Record, Verdict, write_record
from fluxgym.ui.live import EVERY
from tests.browser.conftest import Server, wait_for_refreshes
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser
MARKUP = '<img src=x onerror="document.body.dataset.hurt=1">'
STEP = "2026-11-24 10:{:02d}:{:02d} steps:  1%|          | {}/9000 [00:00<00:27, 11.00it/s, loss=0.{:04d}, lr=2e-04]"
TEXTS = "[...document.querySelectorAll('.fluxgym-log .lines > div')].map((line) => line.textContent)"
BOX = "document.querySelector('.fluxgym-log .lines')"
# Notes in the page when a line with that text is there, by the clock that this machine's processes share.
NOTE_TIME = f"""(text) => {{
  const box = {BOX};
  const look = () => [...box.children].some((line) => line.textContent.includes(text)) && (window.seen ??= Date.now());
  new MutationObserver(look).observe(box, {{ childList: true }});
}}"""


class Run:
    """A run whose log grows when it is told to."""

    def __init__(self, folder: RunFolder):
        self.folder, self.steps = folder, 0
        folder.path.mkdir()

    def write(self, *lines: str) -> None:
        with self.folder.training_log.open("a", encoding="utf-8") as log:
            log.write("".join(f"{line}\n" for line in lines))

    def go_on(self, steps: int) -> None:
        first, self.steps = self.steps + 1, self.steps + steps
        self.write(*(STEP.format(step // 60 % 60, step % 60, step, step % 9999) for step in range(first, self.steps + 1)))


@pytest.fixture
def run(outputs: Path) -> Run:
    made = Run(RunFolder(outputs / "robot"))
    made.go_on(400)
    return made


def open_log(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/run?run=robot&tab=Log")
    page.wait_for_selector(".fluxgym-log.view .lines > div")
    expect(page.locator(".fluxgym-log .mark")).to_have_text("Live")


def texts(page: Page) -> list[str]:
    return page.evaluate(TEXTS)


def wait_for_line(page: Page, text: str) -> None:
    expect(page.locator(".fluxgym-log .lines > div", has_text=text)).to_have_count(1, timeout=60_000)


def steps_of(lines: list[str]) -> list[int]:
    return [int(found[1]) for line in lines if (found := re.search(r" (\d+)/9000 ", line))]


def is_at_end(page: Page) -> bool:
    return page.evaluate(f"{BOX}.scrollHeight - {BOX}.scrollTop - {BOX}.clientHeight < 2")


def test_new_lines_come_at_once_and_the_end_is_followed(
    page: Page, server: Server, run: Run, complaints: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    open_log(page, server)
    assert steps_of(texts(page)) == [*range(301, 401)]
    expect(page.locator(".fluxgym-log .told")).to_contain_text("400 lines, ")
    took = []
    for number in range(10):
        page.evaluate("window.seen = undefined")
        page.evaluate(NOTE_TIME, f"line number {number} ")
        written = time.time()
        run.write(f"this is line number {number} of ten")
        page.wait_for_function("window.seen")
        took.append(page.evaluate("window.seen") / 1000 - written)
    with capsys.disabled():
        print(f" (seconds until a line is seen: median {sorted(took)[5]:.3f}, most {max(took):.3f})", end="")
    assert sorted(took)[5] < EVERY / 4, "they do not wait for the page's refresh"
    run.go_on(50)
    wait_for_line(page, " 450/9000")
    assert is_at_end(page)
    assert steps_of(texts(page)) == [*range(361, 451)], "no more lines than were asked for, ten of them without a step"
    assert complaints == []


def test_who_scrolled_up_or_selected_is_left_alone(page: Page, server: Server, run: Run, complaints: list[str]) -> None:
    open_log(page, server)
    box = page.locator(".fluxgym-log .lines").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.wheel(0, -600)
    follow = page.locator(".fluxgym-log .follow")
    expect(follow).to_have_text("Jump to end")
    place = page.evaluate(f"{BOX}.scrollTop")
    line = page.locator(".fluxgym-log .lines > div", has_text=" 350/9000")
    line.evaluate("(line) => getSelection().selectAllChildren(line)")
    for _ in range(5):
        run.go_on(10)
        wait_for_refreshes(page, 1)
    expect(follow).to_have_text("Jump to end, 50 new")
    assert page.evaluate(f"{BOX}.scrollTop") == place
    assert page.evaluate("getSelection().toString()").startswith("2026-11-24 10:05:50 steps:")
    follow.click()
    assert is_at_end(page)
    expect(follow).to_have_text("Follow")
    run.go_on(1)
    wait_for_line(page, " 451/9000")
    assert complaints == []


def test_search_levels_and_jumps_survive_refreshes_and_a_reload(
    page: Page, server: Server, run: Run, complaints: list[str]
) -> None:
    run.write("2026-11-24 10:15:00 WARNING: the caption is cut", f"ERROR {MARKUP} broke", "Traceback (most recent call last):")
    run.go_on(300)
    run.write("2026-11-24 10:15:00 WARNING again")
    open_log(page, server)
    expect(page.locator(".fluxgym-log .warnings")).to_have_text("2")
    expect(page.locator(".fluxgym-log .errors")).to_have_text("2")

    page.get_by_role("searchbox", name="Search the log").fill("9/9000")
    expect(page.locator(".fluxgym-log .matches")).to_have_text("70")
    assert all("9/9000" in line for line in texts(page))
    assert page.evaluate("CSS.highlights.get('fluxgym-found').size") == 70
    run.go_on(100)
    wait_for_refreshes(page, 1)
    expect(page.locator(".fluxgym-log .matches")).to_have_text("80")
    page.reload()
    expect(page.locator(".fluxgym-log .matches")).to_have_text("80")
    page.get_by_role("button", name="Only matching").click()
    expect(page.locator(".fluxgym-log .lines > div")).to_have_count(100)
    page.get_by_role("button", name="Previous match").click()
    expect(page.locator(".fluxgym-log .matches")).to_have_text("80 of 80")
    expect(page.locator(".fluxgym-log .lines > .current")).to_contain_text(" 799/9000")
    page.get_by_role("searchbox", name="Search the log").fill("799/9000")
    page.wait_for_function("CSS.highlights.get('fluxgym-found').size === 1")  # those of the search before are gone
    # what is typed is not lost where something is pressed at once
    page.get_by_role("searchbox", name="Search the log").fill("broke")
    page.evaluate("document.querySelector('.fluxgym-log [data-level=error]').click()")
    page.wait_for_function("CSS.highlights.get('fluxgym-found')?.size === 1")
    expect(page.get_by_role("searchbox", name="Search the log")).to_have_value("broke")
    page.get_by_role("searchbox", name="Search the log").fill("")
    page.evaluate("document.querySelector('.fluxgym-log [data-level=error]').click()")
    expect(page.locator(".fluxgym-log .lines > .error")).to_have_count(2)
    assert texts(page)[0] == f"ERROR {MARKUP} broke"
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(".fluxgym-log .lines > div")).to_have_count(100)
    page.get_by_role("button", name="Next error").click()
    expect(page.locator(".fluxgym-log .lines > .current")).to_have_text(f"ERROR {MARKUP} broke")
    expect(page.locator(".fluxgym-log .errors")).to_have_text("1 of 2")
    assert steps_of(texts(page))[0] < 400 < steps_of(texts(page))[-1], "its neighbours are shown with it"
    assert not page.evaluate("document.body.dataset.hurt"), "what a log says is text"
    page.get_by_role("button", name="Jump to end").click()
    wait_for_line(page, " 800/9000")
    assert complaints == []


def test_archived_logs_attempts_and_a_fresh_start_while_it_is_open(
    page: Page, server: Server, run: Run, complaints: list[str]
) -> None:
    run.write("=== Attempt 2, 2026-11-24 10:15:00, resumed from step 400 ===")
    run.go_on(300)
    old = run.folder.old_logs / "20261101-101500"
    old.mkdir(parents=True)
    (old / "training.log.gz").write_bytes(gzip.compress(b"=== Attempt 1 ===\nERROR of long ago\n"))
    open_log(page, server)
    page.get_by_role("button", name="Previous attempt").click()
    expect(page.locator(".fluxgym-log .lines > .current")).to_contain_text("=== Attempt 2")
    page.get_by_label("Log", exact=True).first.select_option("Archived 2026-11-01 10:15:00")
    expect(page.locator(".fluxgym-log .lines > div")).to_have_text(["=== Attempt 1 ===", "ERROR of long ago"])
    expect(page.locator(".fluxgym-log .errors")).to_have_text("1")
    with page.expect_download() as download:
        page.locator(".fluxgym-log .download").click()
    assert download.value.path().read_bytes() == b"=== Attempt 1 ===\nERROR of long ago\n"
    groups = page.locator(".fluxgym-log .which optgroup")
    assert groups.evaluate_all("(all) => all.map((group) => group.label)") == ["Training", "Monitor"]

    shutil.rmtree(old)  # while it is looked at
    expect(page.locator(".fluxgym-log .which")).to_have_value("training", timeout=60_000)
    wait_for_line(page, " 700/9000")
    archive_log(run.folder)
    run.write("a fresh start")
    expect(page.locator(".fluxgym-log .lines > div")).to_have_text(["a fresh start"], timeout=60_000)
    expect(page.get_by_label("Log", exact=True).first.locator("option")).to_have_count(3)
    assert complaints == []


def test_a_log_that_has_ended_is_not_called_live(page: Page, server: Server, run: Run, complaints: list[str]) -> None:
    archive_log(run.folder)
    run.write("a fresh start")
    open_log(page, server)
    mark = page.locator(".fluxgym-log .mark")
    expect(mark).to_have_class("mark live")
    page.get_by_label("Log", exact=True).first.select_option(index=1)
    expect(mark).to_have_text("Archived")
    page.get_by_label("Log", exact=True).first.select_option("This run")
    expect(mark).to_have_text("Live")
    attempt = Attempt(1, 1e9, ["python"], ended=2e9, verdict=Verdict("stopped", "Stopped by you."))
    write_record(run.folder, Record("robot", 1e9, ["python"], "stopped", 2e9, attempts=[attempt]))
    expect(mark).to_have_text("Ended")  # at a refresh
    expect(mark).to_have_class("mark")
    archive_log(run.folder)  # it is this run's still, and shown from where it lies now
    expect(mark).to_have_text("Archived")
    wait_for_line(page, "a fresh start")
    expect(page.get_by_label("Log", exact=True).first.locator("option")).to_have_count(3)
    run.write("another one")
    wait_for_line(page, "another one")
    expect(page.get_by_label("Log", exact=True).first.locator("option:checked")).to_have_text("This run")
    run.folder.record.unlink()
    expect(mark).to_have_text("Live")
    run.go_on(1)
    wait_for_line(page, " 401/9000")
    assert complaints == []


def test_it_goes_on_over_a_rotation_and_a_killed_server(page: Page, server: Server, run: Run) -> None:
    open_log(page, server)
    page.get_by_label("Lines").select_option("Last 5,000 lines")
    run.folder.old_logs.mkdir()
    run.folder.training_log.rename(run.folder.log_part(1))
    run.go_on(100)
    wait_for_line(page, " 500/9000")
    server.kill()
    expect(page.locator(".fluxgym-log .mark")).to_have_text("Not reachable")
    run.go_on(100)
    server.start()
    expect(page.locator(".fluxgym-log .mark")).to_have_text("Live", timeout=60_000)
    wait_for_line(page, " 600/9000")
    assert steps_of(texts(page)) == [*range(1, 601)], "no line twice, none lost"


def test_where_no_websocket_gets_through_lines_come_with_each_refresh(page: Page, server: Server, run: Run) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close()

    page.route_web_socket(lambda url: "/live/" in url, refuse)
    page.goto(f"{server.url}/run?run=robot&tab=Log")
    wait_for_line(page, " 400/9000")
    expect(page.locator(".fluxgym-log .mark")).to_have_text("Every 5 s")
    run.go_on(20)
    wait_for_line(page, " 420/9000")
    assert steps_of(texts(page)) == [*range(301, 421)][-100:]


def test_5000_lines_on_a_phone(page: Page, server: Server, run: Run, complaints: list[str]) -> None:
    run.write("x" * 3000)
    run.go_on(8000)
    page.set_viewport_size({"width": 390, "height": 844})
    open_log(page, server)
    page.get_by_label("Lines").select_option("Last 5,000 lines")
    expect(page.locator(".fluxgym-log .lines > div")).to_have_count(5000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    run.go_on(100)
    wait_for_line(page, " 8500/9000")
    assert steps_of(texts(page)) == [*range(3501, 8501)]
    assert is_at_end(page)
    page.get_by_role("button", name="Wrap").click()
    assert page.evaluate(f"{BOX}.scrollWidth <= {BOX}.clientWidth")
    assert complaints == []
