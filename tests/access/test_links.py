"""Links that end: unknown, expired and revoked ones cannot be told apart, and what was open is shut within one refresh."""

import asyncio
import contextlib
import secrets
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fluxgym.access.links import list_links, make_link, revoke, revoke_all
from fluxgym.ui.live import EVERY
from tests.access import raw
from tests.access.conftest import Guarded
from tests.access.planted import SHOWN
from tests.conftest import wait
from trainer.folder import RunFolder

SHORT = 3 / (24 * 60 * 60)  # days: 3 s
SOON = EVERY + 3  # s: one refresh, on a machine that has other things to do
PATHS = ["", "charts/shown/learns", "alive"]
Ended = dict[str, str]


@pytest.fixture
def ended(guarded: Guarded) -> Ended:
    """The start of the addresses of links that open nothing, by why. Each was open before, where it ever was."""
    folder = RunFolder(guarded.outputs / SHOWN)
    revoked, token = make_link(folder, 7, "revoked")
    expired = guarded.link("samples", days=SHORT)
    starts = {"revoked": f"{guarded.base}s/{token}/", "expired": expired}
    for start in starts.values():
        assert raw.ask(guarded.port, start).status == 200
    revoke(folder, revoked.id)
    wait(lambda: raw.ask(guarded.port, expired).status != 200, 20)
    whole = expired.strip("/").rpartition("/")[2]
    wrong = {
        "unknown": secrets.token_urlsafe(32),
        "one letter off": whole[:-2] + ("a" if whole[-2] != "a" else "b") + whole[-1],
        "another case": whole.swapcase(),
        "cut": whole[:-1],
        "short": "x",
        "long": whole * 40,
        "odd": "%ff%fe%00",
        "dots": "..%2e",
        "a hash": list_links(folder)[0].digest,
        "an id": list_links(folder)[0].id,
    }
    return starts | {why: f"{guarded.base}s/{token}/" for why, token in wrong.items()}


def test_no_two_of_them_can_be_told_apart(guarded: Guarded, ended: Ended) -> None:
    for path in PATHS:
        answers = ask_all(guarded, ended, path)
        told = {(each.status, each.body, str(sorted(without_date(each)))) for each in answers.values()}
        assert len(told) == 1, f"{path}: {sorted((why, each.status, len(each.body)) for why, each in answers.items())}"
        assert answers["unknown"].status == 404
    with ThreadPoolExecutor(len(ended)) as threads:
        statuses = threads.map(lambda start: raw.upgrade(guarded.port, f"{start}_stcore/stream"), ended.values())
        assert set(statuses) == {403}


def ask_all(guarded: Guarded, starts: Ended, path: str) -> dict[str, raw.Answer]:
    """At once: the server lets who asks for what is not there wait."""
    with ThreadPoolExecutor(len(starts)) as threads:
        answers = threads.map(lambda start: raw.ask(guarded.port, start + path), starts.values())
        return dict(zip(starts, answers, strict=True))


def without_date(answer: raw.Answer) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in answer.headers if name.lower() != "date"]


def test_nor_by_how_long_they_take(guarded: Guarded, ended: Ended) -> None:
    """They take turns. Their medians differ by less than each of them varies by itself."""
    took: dict[str, list[float]] = {why: [] for why in ("unknown", "revoked", "expired", "one letter off")}
    for number in range(8):
        for why in sorted(took, key=lambda why: hash((number, why))):
            begin = time.perf_counter()
            raw.ask(guarded.port, ended[why])
            took[why].append(time.perf_counter() - begin)
    medians = {why: statistics.median(each) for why, each in took.items()}
    spread = max(statistics.quantiles(each, n=4)[2] - statistics.quantiles(each, n=4)[0] for each in took.values())
    assert max(medians.values()) - min(medians.values()) <= max(spread, 0.01), medians


def watch(guarded: Guarded, link: str, end: Callable[[], object]) -> float:
    """Opens a page, ends its link, and returns after how many s its connection is closed."""

    async def look() -> float:
        async with raw.page(guarded.port, link) as page:
            assert (await page.run()).is_shared_page
            await asyncio.to_thread(end)
            begin = time.monotonic()
            await page.wait_closed(30)
            return time.monotonic() - begin

    return asyncio.run(look())


def test_a_page_is_shut_when_its_link_is_revoked(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("revoked")
    link, token = make_link(folder, 7, "")
    start = f"{guarded.base}s/{token}/"
    assert watch(guarded, start, lambda: revoke(folder, link.id)) < SOON
    assert raw.ask(guarded.port, start).status == 404


def test_all_pages_are_shut_when_all_links_are_revoked(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("revoked-all")
    start = guarded.link(run="revoked-all")
    assert watch(guarded, start, lambda: revoke_all(folder)) < SOON


def test_a_page_is_shut_when_its_link_expires(guarded: Guarded) -> None:
    begin = time.monotonic()
    watch(guarded, guarded.link(days=SHORT), lambda: None)
    assert time.monotonic() - begin < 3 + SOON


def test_a_page_is_shut_when_its_run_is_deleted(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("deleted")
    start = guarded.link(run="deleted")

    def delete() -> None:
        folder.path.rename(guarded.outputs.parent / "gone")

    assert watch(guarded, start, delete) < SOON
    (guarded.outputs.parent / "gone").rename(folder.path)


def test_a_revoked_page_is_told_nothing_more_and_cannot_come_back(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("come-back")
    link, token = make_link(folder, 7, "")
    start = f"{guarded.base}s/{token}/"

    async def look() -> None:
        async with raw.page(guarded.port, start) as page:
            session = (await page.run()).session
            revoke(folder, link.id)
            with contextlib.suppress(ConnectionClosed):
                await page.send(raw.rerun())
                assert (await page.silence(SOON)).kinds == []
            with pytest.raises(InvalidStatus):
                async with raw.page(guarded.port, start, protocols=("streamlit", "x", session)):
                    raise AssertionError("it was let in")

    asyncio.run(look())


def test_one_link_that_ends_leaves_the_others_open(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("two")
    link, _ = make_link(folder, 7, "")
    other = guarded.link(run="two")

    async def look() -> None:
        async with raw.page(guarded.port, other) as page:
            await page.run()
            revoke(folder, link.id)
            await asyncio.sleep(SOON / 2)
            assert await page.is_answered()
            assert (await page.run()).is_shared_page

    asyncio.run(look())


def test_nothing_on_disk_opens_a_link(guarded: Guarded) -> None:
    token = guarded.link(*("log", "samples")).strip("/").rpartition("/")[2]
    for path in guarded.outputs.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_a_damaged_share_json_opens_nothing(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("damaged")
    start = guarded.link(run="damaged")
    assert raw.ask(guarded.port, start).status == 200
    folder.share.write_bytes(b"{")
    wait(lambda: raw.ask(guarded.port, start).status == 404, 10)


def test_visits_are_counted_and_previews_are_not(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("counted")
    start = guarded.link(run="counted")
    raw.ask(guarded.port, start, headers={"User-Agent": "TelegramBot (like TwitterBot)"})

    async def look() -> None:
        async with raw.page(guarded.port, start) as page:
            await page.run()

    asyncio.run(look())
    wait(lambda: list_links(folder)[0].views == 1, 10)
    assert time.time() - (list_links(folder)[0].seen or 0) < 60
