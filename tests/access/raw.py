"""A client that is no browser: bytes over a socket, so that nothing is tidied up, and Streamlit's own messages."""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

Headers = dict[str, str]
PATIENCE = 30  # s


@dataclass
class Answer:
    """To one request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """All of this name, as one."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def cookies(self) -> dict[str, str]:
        """What it sets, without the attributes."""
        pairs = [value.partition(";")[0].partition("=") for key, value in self.headers if key.lower() == "set-cookie"]
        return {name: value for name, _, value in pairs}

    @property
    def all_bytes(self) -> bytes:
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode("latin-1") + b"\n\n" + self.body


def ask(port: int, target: str, method: str = "GET", headers: Headers | None = None, body: bytes = b"") -> Answer:
    """One request with exactly this target."""
    given = {"Host": f"127.0.0.1:{port}", "Connection": "close"} | (headers or {})
    if body or method in ("POST", "PUT"):
        given |= {"Content-Length": str(len(body))}
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
            connection.sendall(head.encode("latin-1") + body)
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        return Answer(answer.status, answer.getheaders(), answer.read())


def upgrade(port: int, target: str, headers: Headers | None = None) -> int:
    """The status with which a WebSocket is answered: 101 where it is let in."""
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    given = {"Host": f"127.0.0.1:{port}"} | asked | (headers or {})
    head = f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(head.encode("latin-1"))
        line = connection.recv(65536).partition(b"\r\n")[0]
    return int(line.split()[1])


def cookie(**values: str) -> Headers:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}


@dataclass
class Heard:
    """What a page's socket sent until the script had finished."""

    messages: list[ForwardMsg] = field(default_factory=list)
    data: bytes = b""  # as it came

    @property
    def kinds(self) -> list[str]:
        return [message.WhichOneof("type") for message in self.messages]

    @property
    def fragments(self) -> list[str]:
        return [message.delta.fragment_id for message in self.messages if message.delta.fragment_id]

    @property
    def urls(self) -> list[str]:
        """The addresses that its components are told to fetch."""
        return sorted(set(re.findall(r'"url": ?"([^"]+)"', " ".join(self.components))))

    @property
    def components(self) -> list[str]:
        elements = [message.delta.new_element for message in self.messages if message.WhichOneof("type") == "delta"]
        return [element.bidi_component.json for element in elements if element.WhichOneof("type") == "bidi_component"]

    @property
    def session(self) -> str:
        return next(each.new_session.initialize.session_id for each in self.messages if each.HasField("new_session"))

    @property
    def is_shared_page(self) -> bool:
        """Whether only that was drawn: the logo is for owners, and so are the other pages."""
        told = [each.navigation for each in self.messages if each.WhichOneof("type") == "navigation"]
        pages = [page.url_pathname for navigation in told for page in navigation.app_pages]
        return "logo" not in self.kinds and len(set(pages)) <= 1


def rerun(page: str = "", query: str = "", fragment: str = "", page_hash: str = "") -> BackMsg:
    """A wish for a run of the script, or of one part of it."""
    message = BackMsg()
    asked = message.rerun_script
    asked.page_name, asked.query_string, asked.fragment_id, asked.page_script_hash = page, query, fragment, page_hash
    asked.context_info.timezone = "Europe/Berlin"
    return message


class Page:
    """One open connection to Streamlit's script."""

    def __init__(self, connection: ClientConnection):
        self.connection = connection

    async def send(self, message: BackMsg | bytes) -> None:
        await self.connection.send(message if isinstance(message, bytes) else message.SerializeToString())

    async def hear(self, end: str = "script_finished", patience: float = PATIENCE) -> Heard:
        """Everything up to a message of this kind."""
        heard = Heard()
        async with asyncio.timeout(patience):
            while end not in heard.kinds:
                heard_now = await self.connection.recv()
                assert isinstance(heard_now, bytes)
                heard.data += heard_now
                heard.messages.append(ForwardMsg.FromString(heard_now))
        return heard

    async def run(self, message: BackMsg | None = None) -> Heard:
        await self.send(message or rerun())
        return await self.hear()

    async def silence(self, seconds: float) -> Heard:
        """What comes in so long a time."""
        heard = Heard()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    heard_now = await self.connection.recv()
                    heard.data += bytes(heard_now, "utf-8") if isinstance(heard_now, str) else heard_now
                    heard.messages.append(ForwardMsg.FromString(heard_now))
        return heard

    async def is_answered(self) -> bool:
        """Whether the connection lives: the answer to "I am still here"."""
        message = BackMsg()
        message.app_heartbeat = True
        try:
            await self.send(message)
            await self.hear("heartbeat_ack")
        except ConnectionClosed:
            return False
        return True

    async def wait_closed(self, seconds: float) -> None:
        """Reads on until the server has closed it."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()


@contextlib.asynccontextmanager
async def page(
    port: int, start: str = "/", headers: Headers | None = None, protocols: tuple[str, ...] = ("streamlit",)
) -> AsyncIterator[Page]:
    """A page below `start`, which ends with a slash, as a browser opens it."""
    address = f"ws://127.0.0.1:{port}{start}_stcore/stream"
    given = dict(headers or {})
    origin = Origin(given.pop("Origin", f"http://127.0.0.1:{port}"))
    asked = [Subprotocol(each) for each in protocols]
    async with connect(
        address, subprotocols=asked, max_size=None, origin=origin, additional_headers=given, ping_interval=None
    ) as connection:
        yield Page(connection)


def read_json(answer: Answer) -> object:
    return json.loads(answer.body)
