"""The same below a path of a proxy (server.baseUrlPath): nothing is open beside it, or by another way of writing it."""

import asyncio
from collections.abc import Callable

import pytest

from tests.access import addresses, raw
from tests.access.conftest import Guarded
from tests.access.planted import KEY, OTHER, SHOWN, never
from tests.access.test_stranger import HTTP, WEBSOCKETS, ask_as_owner, is_answered, is_refused

BASE = "/deep/train/"
BESIDE = [
    "/",
    "/deep",
    "/deep/",
    "/deep/train",
    "/deep/trainx",
    "/DEEP/train/",
    "//deep/train/",
    "/deep//train/",
    "/deep/train//",
    "/s/x/",
]


@pytest.fixture(scope="module")
def below(start_guarded: Callable[..., Guarded]) -> Guarded:
    return start_guarded("--logger.level", "debug", "--server.baseUrlPath", "deep/train")


def test_every_address_is_refused_there_and_beside_it(below: Guarded) -> None:
    before = below.runs()
    for asked in [*HTTP, *addresses.STREAMLITS]:
        method, _, path = asked.partition(" ")
        assert is_refused(below.ask(path, method)), asked
        for start in BESIDE:
            answer = raw.ask(below.port, start + path, method)
            assert answer.status in (303, 307, 400, 401, 403, 404, 405) and not answer.cookies, f"{start}{path}"
            assert [name for name, value in never(below.outputs).items() if value in answer.all_bytes] == []
    for path in WEBSOCKETS:
        for start in (BASE, *BESIDE):
            assert raw.upgrade(below.port, start + path) == 403
    assert below.runs() == before


def test_the_owner_gets_in_and_is_led_nowhere_else(below: Guarded) -> None:
    answer = below.ask(f"run?run={SHOWN}&key={KEY}")
    assert answer.header("location") == f"{BASE}run?run={SHOWN}"
    assert f"path={BASE[:-1]};" in answer.header("set-cookie").lower()
    mine = raw.cookie(**answer.cookies)
    for asked in HTTP:
        assert is_answered(ask_as_owner(below, mine, asked))
    for path in WEBSOCKETS:
        assert raw.upgrade(below.port, BASE + path, mine) == 101


def test_a_visitor_sees_one_run(below: Guarded) -> None:
    link = below.link("samples")
    assert link.startswith(f"{BASE}s/")
    assert raw.ask(below.port, link).status == 200
    assert raw.ask(below.port, link.removeprefix(BASE[:-1])).status == 401, "the path belongs to the address"
    assert raw.ask(below.port, f"{link}charts/{SHOWN}/learns").status == 200
    for path in (f"charts/{OTHER}/learns", f"csv/{SHOWN}/steps.csv", "deep/train/run", f"../../csv/{SHOWN}/steps.csv"):
        assert raw.ask(below.port, link + path).status in (400, 401, 404)

    async def look() -> None:
        async with raw.page(below.port, link) as page:
            heard = await page.run(raw.rerun("run", f"run={OTHER}"))
            assert heard.is_shared_page
            assert [name for name, value in never(below.outputs).items() if value in heard.data] == []

    asyncio.run(look())
