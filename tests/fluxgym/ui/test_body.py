"""Bodies of requests that are taken, and those that are not."""

import asyncio

import pytest
from starlette.requests import Request

from fluxgym.ui.body import WrongBody, read_object


def read(body: bytes) -> object:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return asyncio.run(read_object(Request({"type": "http"}, receive), 20))


def test_an_object_is_read() -> None:
    assert read(b'{"place": "cat"}') == {"place": "cat"}


@pytest.mark.parametrize(
    ("body", "said"), [(b"x" * 21, "more than 20 bytes"), (b"{", "no JSON"), (b"[" * 20, "no JSON"), (b"[1]", "no object")]
)
def test_anything_else_is_named(body: bytes, said: str) -> None:
    with pytest.raises(WrongBody, match=said):
        read(body)
