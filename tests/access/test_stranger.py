"""Who has no key and no link gets nothing but the way to sign in: each address is refused before any script runs."""

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.access import addresses, raw
from tests.access.conftest import Guarded
from tests.access.planted import KEY, never
from tests.conftest import wait

FORGED = {  # what a proxy, Streamlit or we ourselves might believe
    "x-fluxgym-link": "0",
    "x-fluxgym-owner": "1",
    "x-fluxgym-user": "owner",
    "X-Fluxgym-Role": "owner",
    "x_fluxgym_user": "owner",
    "x-fg-role": "owner",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "127.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/s/x",
    "X-Forwarded-User": "owner",
    "X-Real-Ip": "127.0.0.1",
    "X-Original-Url": "/_stcore/health",
    "X-Rewrite-Url": "/_stcore/health",
    "Remote-User": "owner",
    "Authorization": f"Basic {KEY}",
}
HTTP = [
    f"{'POST' if route in addresses.POSTS else 'GET'} {path}"
    for route, path in addresses.ours().items()
    if route not in addresses.SOCKETS
]
SENT = {addresses.ours()[route]: body for route, body in addresses.POSTS.items()}
WEBSOCKETS = [addresses.STREAM, *(addresses.ours()[route] for route in addresses.SOCKETS)]


def is_refused(answer: raw.Answer) -> bool:
    """Sent to the page where one signs in, or told that one must."""
    if answer.status == 303:
        return answer.header("location").partition("?")[0].endswith("login") and not answer.cookies
    return answer.status == 401 and not answer.cookies


def test_each_route_of_ours_has_an_address_here() -> None:
    assert set(addresses.ours()) == addresses.route_paths()


@pytest.mark.parametrize("asked", [*HTTP, *addresses.STREAMLITS])
def test_every_address_is_refused_before_any_script_runs(guarded: Guarded, asked: str) -> None:
    method, _, path = asked.partition(" ")
    before = guarded.runs()
    answer = guarded.ask(path, method)
    assert is_refused(answer), f"{asked} was answered {answer.status}"
    assert [name for name, value in never(guarded.outputs).items() if value in answer.all_bytes] == []
    assert guarded.runs() == before


@pytest.mark.parametrize("asked", HTTP)
def test_the_owner_gets_an_answer_there(guarded: Guarded, owner: raw.Headers, asked: str) -> None:
    """Without this the test before could not fail."""
    assert is_answered(ask_as_owner(guarded, owner, asked))


def is_answered(answer: raw.Answer) -> bool:
    """By the route, which may say why it does not change what came with FluxGym."""
    return answer.status == 200 or (answer.status == 400 and answer.body.startswith(b'{"error":'))


def ask_as_owner(guarded: Guarded, owner: raw.Headers, asked: str) -> raw.Answer:
    method, _, path = asked.partition(" ")
    return guarded.ask(path, method, owner, SENT.get(path, b""))


@pytest.mark.parametrize("asked", [asked for asked in HTTP if asked.startswith("POST")])
def test_no_page_of_another_site_changes_anything(guarded: Guarded, owner: raw.Headers, asked: str) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{guarded.port + 1}"):
        assert ask_as_owner(guarded, {**owner, "Origin": origin}, asked).status == 403


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_every_websocket_is_refused_before_any_script_runs(guarded: Guarded, path: str) -> None:
    before = guarded.runs()
    assert raw.upgrade(guarded.port, guarded.base + path) == 403
    assert raw.upgrade(guarded.port, guarded.base + path, FORGED) == 403
    assert guarded.runs() == before


def test_every_websocket_is_open_to_the_owner(guarded: Guarded, owner: raw.Headers) -> None:
    before = guarded.runs()
    for path in WEBSOCKETS:
        assert raw.upgrade(guarded.port, guarded.base + path, owner) == 101
    wait(lambda: guarded.runs() > before, 20)


@pytest.mark.parametrize("asked", [*HTTP, *addresses.STREAMLITS])
def test_forged_headers_open_nothing(guarded: Guarded, asked: str) -> None:
    method, _, path = asked.partition(" ")
    assert is_refused(guarded.ask(path, method, FORGED))


def test_the_health_of_the_server_is_told_to_everybody_and_tells_nothing(guarded: Guarded) -> None:
    answer = guarded.ask("_stcore/health")
    assert (answer.status, answer.body) == (200, b"ok")


def test_a_session_of_the_owner_cannot_be_taken_over_by_its_id(guarded: Guarded, owner: raw.Headers) -> None:
    async def attack() -> None:
        async with raw.page(guarded.port, guarded.base, owner) as mine:
            session = (await mine.run()).session
            with pytest.raises(InvalidStatus, match="403"):
                async with raw.page(guarded.port, guarded.base, protocols=("streamlit", "x", session)):
                    raise AssertionError("it was let in")
            assert await mine.is_answered()

    asyncio.run(attack())


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"])
@pytest.mark.parametrize("path", ["", "run", "files/shown/loras/shown.safetensors", "charts/shown/learns"])
def test_no_other_method_gets_past(guarded: Guarded, method: str, path: str) -> None:
    before = guarded.runs()
    answer = guarded.ask(path, method)
    assert answer.status in (303, 400, 401, 403, 404, 405, 501) and not answer.cookies
    assert guarded.runs() == before
