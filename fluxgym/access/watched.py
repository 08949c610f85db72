"""A WebSocket that is looked after while it is open: its owner may log out, its link may be revoked."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive, Send

EVERY = 1.0  # s between two looks whether it is still allowed


class Watched:
    """A WebSocket that ends as soon as it is not allowed any more.

    `hear` and `tell` change what comes and goes, or drop it: None."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        is_allowed: Callable[[], bool],
        hear: Callable[[Message], Message | None] = lambda message: message,
        tell: Callable[[Message], Message | None] = lambda message: message,
    ):
        self._receive, self._send, self._is_allowed, self._hear, self._tell = receive, send, is_allowed, hear, tell
        self._has_ended = False

    async def receive(self) -> Message:
        while True:
            coming = asyncio.ensure_future(self._receive())
            try:
                while not coming.done():
                    await asyncio.wait({coming}, timeout=EVERY)
                    if not self._is_allowed():
                        return await self._end()
            finally:
                if not coming.done():
                    coming.cancel()
            if (message := self._hear(coming.result())) is not None:
                return message

    async def send(self, message: Message) -> None:
        if not self._has_ended and (told := self._tell(message)) is not None:
            await self._send(told)

    async def _end(self) -> Message:
        if not self._has_ended:
            self._has_ended = True
            await self._send({"type": "websocket.close", "code": 1008})
        return {"type": "websocket.disconnect", "code": 1008}
