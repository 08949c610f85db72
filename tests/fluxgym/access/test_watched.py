"""A socket ends when it is not allowed any more, whether or not something is said; what comes and goes can be changed."""

import asyncio
from typing import Any

import pytest

from fluxgym.access import watched
from fluxgym.access.watched import Watched


class Socket:
    """Both ends of a connection, in one."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        return await self.coming.get()

    async def send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "EVERY", 0.01)


def test_what_comes_and_goes_is_passed_on_and_can_be_dropped_or_changed():
    async def run() -> None:
        socket = Socket()
        mine = Watched(
            socket.receive, socket.send, lambda: True, lambda said: said if said["n"] % 2 else None, lambda said: None
        )
        for number in range(4):
            socket.coming.put_nowait({"n": number})
        assert [await mine.receive(), await mine.receive()] == [{"n": 1}, {"n": 3}]
        await mine.send({"type": "websocket.send"})
        assert socket.sent == []

    asyncio.run(run())


def test_a_silent_socket_ends_when_it_is_not_allowed_any_more():
    async def run() -> None:
        socket, allowed = Socket(), [True]
        mine = Watched(socket.receive, socket.send, lambda: allowed[0])
        waiting = asyncio.create_task(mine.receive())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        allowed[0] = False
        assert (await asyncio.wait_for(waiting, 5))["type"] == "websocket.disconnect"
        assert socket.sent == [{"type": "websocket.close", "code": 1008}]
        await mine.send({"type": "websocket.send", "bytes": b"a last frame"})
        await mine.receive()
        assert len(socket.sent) == 1, "nothing is sent after the end, and the end only once"

    asyncio.run(run())


def test_what_is_said_after_it_was_forbidden_is_not_heard():
    async def run() -> None:
        socket = Socket()
        socket.coming.put_nowait({"type": "websocket.receive", "bytes": b"rerun"})
        assert (await Watched(socket.receive, socket.send, lambda: False).receive())["type"] == "websocket.disconnect"

    asyncio.run(run())


def test_no_task_is_left_behind_by_who_stops_waiting():
    async def run() -> None:
        socket = Socket()
        waiting = asyncio.create_task(Watched(socket.receive, socket.send, lambda: True).receive())
        await asyncio.sleep(0.03)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
