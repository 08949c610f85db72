"""By which names the server may be reached where no key is asked for; where one is, by any."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit import config

from fluxgym.access.owner import OPEN
from fluxgym.ui.hosts import KnownHosts, is_known


async def tell(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("a log")


async def follow(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("a line")
    await websocket.close()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv(OPEN, "1")
    return TestClient(
        Starlette(routes=[Route("/log", tell), WebSocketRoute("/live", follow)], middleware=[Middleware(KnownHosts)])
    )


@pytest.mark.parametrize(
    "host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "192.168.1.5", "run.localhost", "LOCALHOST."]
)
def test_names_that_lead_here_only(client: TestClient, host: str) -> None:
    assert client.get("/log", headers={"host": host}).text == "a log"
    with client.websocket_connect("/live", headers={"host": host}) as viewer:
        assert viewer.receive_text() == "a line"


@pytest.mark.parametrize(
    "host", ["evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example", "[x", "evil@localhost.x"]
)
def test_a_foreign_page_whose_name_leads_here_gets_nothing(client: TestClient, host: str) -> None:
    answer = client.get("/log", headers={"host": host})
    assert (answer.status_code, "expected localhost" in answer.text) == (403, True)
    headers = {"host": host, "origin": f"http://{host}"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers=headers):
        raise AssertionError("it was let in")


def test_names_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"server.allowedHosts": ["localhost", "*.proxy.example"]}
    option = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: told.get(name, option(name)))
    assert is_known("x-8501.proxy.example")
    assert is_known("localhost:8501")
    assert not is_known("evil.example")
    told = {"browser.serverAddress": "gpu-box"}
    assert is_known("other-box:8501"), "the key is asked for, which no foreign page has"
    monkeypatch.setenv(OPEN, "1")
    assert is_known("gpu-box:8501")
    monkeypatch.setenv("FLUXGYM_URL", "https://gpu.example.org/train")
    assert is_known("gpu.example.org")
    assert not is_known("other-box:8501")
