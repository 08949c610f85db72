"""What a client that is no browser gets from a real server: pages through dashboard.py only, files, no address but ours."""

import asyncio
import socket
import urllib.error
import urllib.request

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from fluxgym.access.owner import OPEN, key_in_use
from tests.browser.conftest import Server
from trainer.folder import RunFolder


async def ask(server: Server, page: str) -> list[str]:
    """The kinds of messages that a session gets whose first wish is this page."""
    address, bearer = f"ws://127.0.0.1:{server.port}/_stcore/stream", {"Authorization": f"Bearer {key_in_use()}"}
    streamlit = [Subprotocol("streamlit")]
    async with connect(address, subprotocols=streamlit, max_size=None, additional_headers=bearer) as connection:
        message = BackMsg()
        message.rerun_script.page_name = page
        await connection.send(message.SerializeToString())
        kinds: list[str] = []
        while "script_finished" not in kinds:
            data = await asyncio.wait_for(connection.recv(), 60)
            kinds.append(ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode()).WhichOneof("type"))
        return kinds


def test_the_first_session_of_a_server_does_not_get_past_dashboard_py(server: Server) -> None:
    kinds = asyncio.run(ask(server, "train"))
    assert "logo" in kinds, "dashboard.py draws it before any page"


def test_the_server_listens_on_this_machine_only(server: Server) -> None:
    with socket.socket() as other:
        other.settimeout(5)
        with pytest.raises(OSError):
            other.connect(("127.0.0.2", server.port))


def test_where_no_key_is_asked_for_a_foreign_page_whose_name_was_made_to_lead_here_gets_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.kill()
    monkeypatch.setenv(OPEN, "1")
    server.start()
    with urllib.request.urlopen(f"{server.url}/vendor/plotly.min.js") as answer:
        assert answer.status == 200
    request = urllib.request.Request(server.url, headers={"Host": f"evil.example:{server.port}"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)

    async def follow() -> None:
        address = f"ws://evil.example:{server.port}/_stcore/stream"
        async with connect(address, host="127.0.0.1", origin=Origin(f"http://evil.example:{server.port}")):
            raise AssertionError("it was let in")

    with pytest.raises(InvalidStatus, match="403"):
        asyncio.run(follow())


def test_files_and_plotly_are_served_beside_the_pages(server: Server, start_small) -> None:
    folder: RunFolder = start_small(name="small")
    server.wait_until(folder.lora.is_file)

    def get(path: str) -> urllib.request.Request:
        return urllib.request.Request(f"{server.url}/{path}", headers={"Authorization": f"Bearer {key_in_use()}"})

    with urllib.request.urlopen(get("files/small/loras/small.safetensors")) as answer:
        assert answer.read() == folder.lora.read_bytes()
    with urllib.request.urlopen(get("vendor/plotly.min.js")) as answer:
        assert len(answer.read()) > 1_000_000
    for path in ("files/small/loras/run.json", "files/small/logs/..%2f..%2fsecret.log", "files/..%2f/logs/training.log"):
        with pytest.raises(urllib.error.HTTPError, match=r"4\d\d"):
            urllib.request.urlopen(get(path))
