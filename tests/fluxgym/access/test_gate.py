"""The gate around a small application that tells what reaches it: who gets in, as whom, and what is answered otherwise."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fluxgym.access import owner, watched
from fluxgym.access.gate import Gate, is_same_site, link_of
from fluxgym.access.links import Book, Link, make_link, revoke_all
from fluxgym.access.owner import Owner, key_in_use
from fluxgym.access.throttle import Throttle
from fluxgym.access.visits import Visits
from trainer.folder import RunFolder

Made = Callable[..., TestClient]
PAGE = {"accept": "text/html"}


async def tell(request: Request) -> Response:
    """What reached the application."""
    link = link_of(request)
    told = {"path": request.url.path, "headers": dict(request.headers), "link": link.id if link else None}
    return JSONResponse(told)


async def tell_page(_request: Request) -> Response:
    return HTMLResponse("<head><title>Streamlit</title></head>")


async def follow(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="streamlit")
    await websocket.send_bytes(repr((websocket.headers.get("x-fluxgym-user"), websocket.scope["subprotocols"])).encode())
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)


@pytest.fixture
def make(outputs: Path) -> Made:
    """make(base): a browser of an application behind the gate."""

    def make(base: str = "") -> TestClient:
        visits = Visits(
            lambda data: data.lower(), lambda data: data, lambda link, address: f"<title>{link.id} {address}</title>"
        )
        routes = [
            Route(f"{base}/", tell_page),
            WebSocketRoute(f"{base}/_stcore/stream", follow),
            Route(base + "/{path:path}", tell, methods=["GET", "POST", "PUT"]),
        ]
        guard = Middleware(Gate, base=base, owner=Owner, book=Book(), visits=visits)
        return TestClient(Starlette(routes=routes, middleware=[guard]), follow_redirects=False)

    return make


@pytest.fixture
def browser(make: Made) -> TestClient:
    return make()


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    return folder


def sign_in(browser: TestClient, base: str = "") -> None:
    assert browser.get(f"{base}/?key={key_in_use()}").status_code == 303


# ---- the owner -------------------------------------------------------------------------------------------------------
def test_the_head_of_a_page_is_made_beside_the_server_s_loop(outputs: Path, run: RunFolder) -> None:
    """The first look at a log of a million steps takes a second, in which nobody else would be answered."""
    beside = []

    def tell_head(link: Link, address: str) -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        beside.append(link.id)
        return "<title>robot</title>"

    guard = Middleware(Gate, base="", owner=Owner, book=Book(), visits=Visits(bytes.lower, bytes.lower, tell_head))
    link, token = make_link(run)
    browser = TestClient(Starlette(routes=[Route("/", tell_page)], middleware=[guard]))
    assert "<title>robot</title>" in browser.get(f"/s/{token}/").text
    assert beside == [link.id]


def test_a_stranger_gets_the_sign_in_page_or_a_word(browser: TestClient) -> None:
    page = browser.get("/run?run=robot", headers=PAGE)
    assert page.status_code == 401 and 'value="/run?run=robot"' in page.text
    assert browser.get("/files/robot/grid").status_code == 401
    assert browser.put("/_stcore/upload_file/x", content=b"x").status_code == 401
    assert browser.get("/_stcore/health").status_code == 200
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/_stcore/stream"):
        raise AssertionError("it was let in")


@pytest.mark.parametrize("base", ["", "/train"])
def test_the_key_becomes_a_cookie_and_leaves_the_address(make: Made, base: str) -> None:
    browser = make(base)
    answer = browser.get(f"{base}/run?run=a%26b&key={key_in_use()}&tab=Log")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/run?run=a%26b&tab=Log")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and f"Path={base or '/'};" in cookie and "Secure" not in cookie
    assert key_in_use() not in cookie
    told = browser.get(f"{base}/run").json()
    assert told["headers"]["x-fluxgym-user"] == "owner" and told["link"] is None


def test_over_https_the_cookie_never_goes_without_it(browser: TestClient) -> None:
    answer = browser.get(f"/?key={key_in_use()}", headers={"x-forwarded-proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]
    answer = browser.get(f"/?key={key_in_use()}", headers={"x-forwarded-proto": "https,http"})
    assert "; Secure" in answer.headers["set-cookie"], "two proxies on the way"


def test_the_sign_in_page_takes_the_key_and_leads_on(browser: TestClient) -> None:
    assert browser.get("/login").status_code == 200
    wrong = browser.post("/login", data={"key": "wrong", "next": "/run"})
    assert wrong.status_code == 401 and "not the key" in wrong.text and 'value="/run"' in wrong.text
    right = browser.post("/login", data={"key": f" {key_in_use()}\n", "next": "/run?run=robot"})
    assert (right.status_code, right.headers["location"]) == (303, "/run?run=robot")
    assert browser.get("/x").status_code == 200


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_signing_in_leads_nowhere_else(browser: TestClient, after: str) -> None:
    assert browser.post("/login", data={"key": key_in_use(), "next": after}).headers["location"] == "/"
    assert browser.get(f"//evil.example/?key={key_in_use()}").headers["location"] in ("/", "/?")


def test_a_form_without_end_is_not_read(browser: TestClient) -> None:
    answer = browser.post(
        "/login", content=b"key=" + b"x" * 100_000, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 401


def test_the_name_of_who_asks_cannot_be_sent(browser: TestClient) -> None:
    for name in ("x-fluxgym-user", "X-FluxGym-User", "x-fluxgym-other"):
        assert browser.get("/x", headers={name: "owner"}).status_code == 401
    sign_in(browser)
    told = browser.get("/x", headers={"x-fluxgym-user": "visitor 1", "x-fluxgym-other": "1"}).json()["headers"]
    assert told["x-fluxgym-user"] == "owner" and "x-fluxgym-other" not in told


def test_a_script_sends_the_key_with_each_request(browser: TestClient) -> None:
    assert browser.get("/x", headers={"authorization": f"Bearer {key_in_use()}"}).status_code == 200
    assert browser.get("/x", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert not browser.cookies


def test_log_out_ends_the_session_in_all_its_pages(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "EVERY", 0.01)
    sign_in(browser)
    cookies = dict(browser.cookies)
    assert "Log out" in browser.get("/logout").text and browser.get("/x").status_code == 200, "an address alone ends nothing"
    with browser.websocket_connect("/_stcore/stream") as page:
        page.receive_bytes()
        assert "logged out" in browser.post("/logout").text
        with pytest.raises(WebSocketDisconnect):
            page.receive_bytes()
    browser.cookies.update(cookies)
    assert browser.get("/x").status_code == 401, "a copy of the cookie opens nothing either"


def test_a_page_of_another_site_can_do_nothing_with_the_cookie(browser: TestClient) -> None:
    sign_in(browser)
    evil = {"origin": "https://evil.example"}
    assert browser.post("/logout", headers=evil).status_code == 403
    assert browser.put("/_stcore/upload_file/x", headers=evil, content=b"x").status_code == 403
    assert browser.post("/login", headers=evil, data={"key": key_in_use()}).status_code == 403
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/_stcore/stream", headers=evil):
        raise AssertionError("it was let in")
    with browser.websocket_connect("/_stcore/stream", headers={"origin": "http://testserver"}) as page:
        assert b"owner" in page.receive_bytes()


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        (None, True),
        ("http://testserver", True),
        ("https://TestServer", True),
        ("https://pod.example", True),
        ("https://evil.example", False),
        ("http://testserver:1234", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_our_own_pages_are_of_this_site(browser: TestClient, origin: str | None, is_ours: bool) -> None:
    headers = {"host": "testserver", "x-forwarded-host": "pod.example"} | ({} if origin is None else {"origin": origin})
    request = browser.build_request("GET", "/", headers=headers)
    assert is_same_site(request.headers) == is_ours  # type: ignore[arg-type]


def test_an_old_cookie_is_given_out_anew_for_the_same_session(browser: TestClient) -> None:
    mine = Owner()
    old = mine.begin("session", now=time.time() - 2 * 24 * 60 * 60)
    browser.cookies.set(mine.cookie_name, old)
    answer = browser.get("/", headers=PAGE)
    assert answer.status_code == 200
    value = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
    assert value != old and mine.session_of(value) == "session"
    assert "set-cookie" not in browser.get("/", headers=PAGE).headers


def test_wrong_keys_are_slowed_and_the_generated_key_still_gets_in(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("fluxgym.access.throttle.asyncio.sleep", note)
    for _ in range(20):
        assert browser.post("/login", data={"key": "wrong"}).status_code == 401
    assert waited[:10] == [0] * 10 and waited[-1] == 5.0
    sign_in(browser)


def test_a_password_may_begin_and_end_with_a_space(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(owner.PASSWORD_HASH, owner.hash_password(" correct horse battery "))
    assert make().post("/login", data={"key": " correct horse battery "}).status_code == 303


def test_a_password_is_not_even_tried_while_the_room_is_full(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(owner.PASSWORD_HASH, owner.hash_password("correct horse battery"))
    assert make().post("/login", data={"key": "correct horse battery"}).status_code == 303
    monkeypatch.setattr("fluxgym.access.gate.Throttle", lambda free, longest, room: Throttle(free, longest, room=0))
    browser = make()
    answer = browser.post("/login", data={"key": "correct horse battery"})
    assert answer.status_code == 429 and "Too many" in answer.text and "Password" in answer.text
    assert browser.post("/login", data={"key": owner.read_keyring().key}).status_code == 303


def test_where_somebody_else_keeps_the_door_everybody_is_the_owner(
    make: Made, monkeypatch: pytest.MonkeyPatch, run: RunFolder
) -> None:
    monkeypatch.setenv(owner.OPEN, "1")
    browser = make()
    assert browser.get("/x").json()["headers"]["x-fluxgym-user"] == "owner"
    assert browser.post("/x", headers={"origin": "https://evil.example"}).status_code == 403
    link, token = make_link(run)
    assert browser.get(f"/s/{token}/charts/robot/learns").json()["link"] == link.id, "a link shows what it shows, here too"


# ---- a visitor -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("base", ["", "/train"])
def test_a_link_leads_to_the_page_behind_it(make: Made, run: RunFolder, base: str) -> None:
    browser = make(base)
    link, token = make_link(run)
    answer = browser.get(f"{base}/s/{token}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{base}/s/{token}/")
    page = browser.get(f"{base}/s/{token}/")
    assert page.text == f"<head><title>{link.id} http://testserver{base}/s/{token}/</title></head>"
    assert page.headers["referrer-policy"] == "no-referrer"
    told = browser.get(f"{base}/s/{token}/charts/robot/learns").json()
    assert told["path"] == f"{base}/charts/robot/learns" and told["link"] == link.id
    assert browser.get(f"{base}/s/{token}/alive").status_code == 204


def test_nothing_that_the_browser_knows_of_the_owner_goes_along(browser: TestClient, run: RunFolder) -> None:
    sign_in(browser)
    link, token = make_link(run)
    told = browser.get(
        f"/s/{token}/charts/robot/learns", headers={"authorization": "Bearer x", "x-fluxgym-user": "owner"}
    ).json()
    assert told["headers"]["x-fluxgym-user"] == f"visitor {link.digest}"
    assert not {"cookie", "authorization", "referer"} & set(told["headers"])
    assert token not in str(told)


def test_a_link_takes_nothing(browser: TestClient, run: RunFolder) -> None:
    _, token = make_link(run)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert browser.request(method, f"/s/{token}/charts/robot/learns").status_code == 405
    assert browser.get(f"/s/{token}/files/other/grid").status_code == 404


def test_links_that_are_none_are_answered_alike(browser: TestClient, run: RunFolder) -> None:
    _, expired = make_link(run, days=1e-9)
    _, revoked = make_link(run)
    assert browser.get(f"/s/{revoked}/").status_code == 200
    revoke_all(run)
    answers = [
        browser.get(f"/s/{token}{rest}") for token in (expired, revoked, "x" * 43, "x") for rest in ("", "/", "/alive", "/a")
    ]
    assert {(each.status_code, each.text, str(dict(each.headers))) for each in answers} == {
        (404, answers[0].text, str(dict(answers[0].headers)))
    }
    assert "not valid" in answers[0].text


def test_what_a_visitor_says_goes_through_the_filter_as_a_session_of_its_own(browser: TestClient, run: RunFolder) -> None:
    link, token = make_link(run)
    protocols = ["streamlit", "xsrf", "the-id-of-another-session"]
    with browser.websocket_connect(f"/s/{token}/_stcore/stream", subprotocols=protocols) as page:
        assert page.receive_bytes().decode() == repr((f"visitor {link.digest}", ["streamlit"]))
        page.send_bytes(b"RERUN")
        assert page.receive_bytes() == b"rerun"
    for path in ("/live/robot/training", "/_stcore/other"):
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect(f"/s/{token}{path}"):
            raise AssertionError("it was let in")
    evil = {"origin": "https://evil.example"}
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect(f"/s/{token}/_stcore/stream", headers=evil):
        raise AssertionError("it was let in")


def test_a_page_that_is_open_ends_when_its_link_is_revoked(
    browser: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "EVERY", 0.01)
    _, token = make_link(run)
    with browser.websocket_connect(f"/s/{token}/_stcore/stream", subprotocols=["streamlit"]) as page:
        page.receive_bytes()
        revoke_all(run)
        with pytest.raises(WebSocketDisconnect):
            page.receive_bytes()


@pytest.mark.parametrize("limit", ["MOST_VISITS", "MOST_OF_ONE"])
def test_there_are_so_many_visits_and_no_more(
    browser: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"fluxgym.access.visits.{limit}", 1)
    _, token = make_link(run)
    address = f"/s/{token}/_stcore/stream"
    with browser.websocket_connect(address, subprotocols=["streamlit"]) as page:
        page.receive_bytes()
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect(address, subprotocols=["streamlit"]):
            raise AssertionError("it was let in")
    with browser.websocket_connect(address, subprotocols=["streamlit"]) as page:
        page.receive_bytes()
