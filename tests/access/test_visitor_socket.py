"""A visitor's connection to Streamlit, by its own messages: it draws the shared page, and nothing else can be asked of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from tests.access import raw
from tests.access.conftest import Guarded
from tests.access.planted import OTHER, SHOWN, never, unticked

ALL = ("log", "samples", "settings", "checkpoints")
PAGES = [
    "run",
    "runs",
    "train",
    "settings",
    "models",
    "compare",
    "pages/run.py",
    "../pages/train",
    "dashboard",
    "shared",
    "__main__",
]
QUERIES = [
    f"run={OTHER}",
    f"?run={OTHER}",
    f"run={SHOWN}&run={OTHER}",
    "tab=Settings&embed=true",
    "key=x",
    "x=" + "a" * 10_000,
]


def attack(guarded: Guarded, link: str, act: Callable[[raw.Page], Awaitable[None]], **given: object) -> None:
    """Opens the shared page and does something with its connection."""

    async def run() -> None:
        async with raw.page(guarded.port, link, **given) as page:
            await act(page)

    asyncio.run(run())


def leaks(guarded: Guarded, heard: raw.Heard) -> list[str]:
    return [name for name, value in never(guarded.outputs).items() if value in heard.data]


def test_all_that_a_visitor_is_sent_holds_nothing_of_the_owners(guarded: Guarded) -> None:
    async def look(page: raw.Page) -> None:
        heard = await page.run()
        assert heard.is_shared_page
        assert leaks(guarded, heard) == []
        assert [name for name, value in unticked().items() if value in heard.data] == []
        live = max(set(heard.fragments), key=heard.fragments.count)
        again = await page.run(raw.rerun(fragment=live))
        assert live in again.fragments
        assert leaks(guarded, again) == []

    attack(guarded, guarded.link(), look)


def test_what_was_ticked_is_there_and_redacted(guarded: Guarded) -> None:
    async def look(page: raw.Page) -> None:
        heard = await page.run()
        assert [name for name, value in unticked().items() if value not in heard.data and name not in FETCHED] == []
        assert leaks(guarded, heard) == []

    FETCHED = ("a sample", "a prompt", "a LoRA")
    attack(guarded, guarded.link(*ALL), look)


@pytest.mark.parametrize("wanted", PAGES)
def test_no_other_page_is_drawn_by_its_name(guarded: Guarded, wanted: str) -> None:
    async def look(page: raw.Page) -> None:
        for message in (raw.rerun(wanted), raw.rerun(wanted, f"run={OTHER}"), raw.rerun(f"s/x/{wanted}")):
            heard = await page.run(message)
            assert heard.is_shared_page and leaks(guarded, heard) == []
            assert "page_not_found" not in heard.kinds, "the name is not even heard"

    attack(guarded, guarded.link(), look)


def test_no_other_page_is_drawn_by_its_hash(guarded: Guarded, owner: raw.Headers) -> None:
    hashes: list[str] = []

    async def learn() -> None:
        async with raw.page(guarded.port, guarded.base, owner) as mine:
            told = (await mine.run()).messages
            pages = [page for each in told if each.WhichOneof("type") == "navigation" for page in each.navigation.app_pages]
            hashes.extend(page.page_script_hash for page in pages)

    async def look(page: raw.Page) -> None:
        for each in hashes:
            heard = await page.run(raw.rerun(page_hash=each))
            assert heard.is_shared_page and leaks(guarded, heard) == []

    asyncio.run(learn())
    assert len(hashes) >= 5
    attack(guarded, guarded.link(), look)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_another_query_shows_the_same(guarded: Guarded, query: str) -> None:
    async def look(page: raw.Page) -> None:
        heard = await page.run(raw.rerun(query=query))
        assert heard.is_shared_page and leaks(guarded, heard) == []
        assert [name for name, value in unticked().items() if value in heard.data] == []

    attack(guarded, guarded.link(), look)


def test_widgets_of_other_pages_do_nothing(guarded: Guarded) -> None:
    async def look(page: raw.Page) -> None:
        message = raw.rerun("run", f"run={OTHER}")
        for name in ("run_in_view", "tab", "stop", "delete", "$$ID-0123-stop", "log", "parts", "token"):
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = name, True
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.string_value = name, OTHER
        heard = await page.run(message)
        assert heard.is_shared_page and leaks(guarded, heard) == []

    attack(guarded, guarded.link(), look)


def odd(kind: str) -> BackMsg:
    message = BackMsg()
    match kind:
        case "file_urls_request":
            message.file_urls_request.request_id = "1"
            message.file_urls_request.session_id = "x"
            message.file_urls_request.file_names.append("a.txt")
        case "backend_operation_request":
            message.backend_operation_request.SetInParent()
        case _:
            setattr(message, kind, True)
    return message


FIELDS = [field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


@pytest.mark.parametrize("kind", sorted(set(FIELDS) - {"rerun_script", "app_heartbeat"}))
def test_every_other_message_is_dropped(guarded: Guarded, owner: raw.Headers, kind: str) -> None:
    async def look(page: raw.Page) -> None:
        await page.run()
        async with raw.page(guarded.port, guarded.base, owner) as mine:
            await mine.run()
            await page.send(odd(kind))
            assert await page.is_answered() or kind == "none", "the page lives on"
            silence = await page.silence(0.3)
            assert silence.kinds == [], "and it is told nothing"
            assert await mine.is_answered(), "the owner's page and the server live"

    attack(guarded, guarded.link(*ALL), look)
    assert guarded.server.is_up()
    assert b"Client tried to" not in guarded.server.log.read_bytes(), "Streamlit has not heard it"


def test_a_message_of_two_kinds_is_read_as_one(guarded: Guarded) -> None:
    """In protobuf the last one of several counts."""

    async def look(page: raw.Page) -> None:
        await page.run()
        clear, rerun = odd("clear_cache").SerializeToString(), raw.rerun("run", f"run={OTHER}").SerializeToString()
        for data in (clear + rerun, rerun + clear, rerun + odd("load_git_info").SerializeToString()):
            await page.send(data)
        heard = await page.silence(1)
        assert heard.is_shared_page and leaks(guarded, heard) == []
        assert "git_info_changed" not in heard.kinds

    attack(guarded, guarded.link(), look)


def test_the_owners_cache_outlives_a_visitors_wish_to_clear_it(guarded: Guarded, owner: raw.Headers) -> None:
    answer = guarded.ask("charts/shown/learns", headers=owner)

    async def look(page: raw.Page) -> None:
        await page.send(odd("clear_cache"))
        assert await page.is_answered()

    attack(guarded, guarded.link(), look)
    assert raw.read_json(guarded.ask("charts/shown/learns", headers=owner))["name"] == raw.read_json(answer)["name"]


JUNK = [
    b"",
    b"\0",
    b"\xff" * 100,
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(range(256)),
    b"\x0a" + b"\xff" * 9 + b"\x01",
    b"\x5a\xff\xff\xff\xff\x0f",
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_harms_nobody(guarded: Guarded, owner: raw.Headers, junk: bytes) -> None:
    async def look(page: raw.Page) -> None:
        try:
            await page.send(junk)
            heard = await page.silence(0.2)
            assert leaks(guarded, heard) == []
        except ConnectionClosed as closed:
            assert b"Traceback" not in str(closed).encode()

    async def check() -> None:
        async with raw.page(guarded.port, guarded.base, owner) as mine:
            assert "script_finished" in (await mine.run()).kinds

    attack(guarded, guarded.link(), look)
    asyncio.run(check())


def test_text_and_huge_messages_are_not_heard(guarded: Guarded) -> None:
    async def look(page: raw.Page) -> None:
        await page.run()
        await page.connection.send("hello")
        await page.send(raw.rerun(query="a" * 4_000_000))
        await page.send(raw.rerun(fragment="a" * 100_000))
        assert await page.is_answered()
        assert (await page.silence(0.5)).kinds == []

    attack(guarded, guarded.link(), look)


def test_a_flood_of_wishes_does_not_keep_the_owner_out(guarded: Guarded, owner: raw.Headers) -> None:
    async def flood(page: raw.Page) -> None:
        data = raw.rerun().SerializeToString()
        with contextlib.suppress(ConnectionClosed):
            for _ in range(500):
                await page.send(data)
        async with raw.page(guarded.port, guarded.base, owner) as mine:
            assert "script_finished" in (await mine.run()).kinds

    attack(guarded, guarded.link(), flood)


def test_a_session_cannot_be_taken_over_by_its_id(guarded: Guarded, owner: raw.Headers) -> None:
    async def look() -> None:
        async with raw.page(guarded.port, guarded.base, owner) as mine, raw.page(guarded.port, guarded.link()) as another:
            sessions = [(await mine.run(raw.rerun("run", f"run={OTHER}"))).session, (await another.run()).session]
            for session in sessions:
                async with raw.page(guarded.port, guarded.link(), protocols=("streamlit", "x", session)) as page:
                    heard = await page.run()
                    assert heard.session not in sessions
                    assert heard.is_shared_page and leaks(guarded, heard) == []
            assert await mine.is_answered() and await another.is_answered()

    asyncio.run(look())


FORGED = {
    "x-fluxgym-link": "none",
    "x-fluxgym-user": "owner",
    "x-fluxgym-owner": "1",
    "X-FluxGym-Link": "",
    "x-fg-role": "owner",
}


def test_forged_headers_make_nobody_the_owner(guarded: Guarded, owner: raw.Headers) -> None:
    """Nor does the owner's own cookie, where it comes with a link: the owner sees what the friend will see."""

    async def look(page: raw.Page) -> None:
        heard = await page.run(raw.rerun("run", f"run={OTHER}"))
        assert heard.is_shared_page and leaks(guarded, heard) == []

    attack(guarded, guarded.link(), look, headers=FORGED)
    attack(guarded, guarded.link(), look, headers=owner)


def test_the_owner_is_who_the_gate_says_whatever_the_headers_say(guarded: Guarded, owner: raw.Headers) -> None:
    async def look(page: raw.Page) -> None:
        assert not (await page.run()).is_shared_page

    attack(guarded, guarded.base, look, headers=owner | {"x-fluxgym-user": "visitor 0"})
