"""Headers, cookies and the head of a page on its way out."""

import asyncio
from typing import Any

import pytest

from fluxgym.access.answers import add_cookie, add_headers, dress


def through(wrap: Any, *messages: Any) -> list[Any]:
    """What a browser gets of these messages."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        adding = wrap(send)
        for message in messages:
            await adding(message)

    asyncio.run(run())
    return sent


def start(**headers: str) -> dict[str, Any]:
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": told}


def headers_of(message: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in message["headers"]}


def test_each_answer_has_the_headers_that_keep_a_browser_safe():
    (sent,) = through(lambda send: add_headers(send, False), start(content_type="image/png"))
    told = headers_of(sent)
    assert told["x-content-type-options"] == "nosniff" and told["x-frame-options"] == "SAMEORIGIN"
    assert told["referrer-policy"] == "same-origin" and "content-security-policy" not in told
    (page,) = through(lambda send: add_headers(send, True), start(content_type="text/html; charset=utf-8"))
    told = headers_of(page)
    assert "default-src 'self'" in told["content-security-policy"] and "http:" not in told["content-security-policy"]
    assert told["referrer-policy"] == "no-referrer" and told["x-robots-tag"].startswith("noindex")


def test_a_cookie_is_added_to_what_is_there():
    (sent,) = through(lambda send: add_cookie(send, "a=1"), start(set_cookie="b=2"))
    assert [value for name, value in sent["headers"] if name == b"set-cookie"] == [b"b=2", b"a=1"]


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_page_gets_its_head_in_however_many_pieces_it_comes(pieces):
    page = b"<html><head><title>Streamlit</title></head></html>"
    size = len(page) // pieces + 1
    parts = [page[at : at + size] for at in range(0, len(page), size)]
    bodies = [{"type": "http.response.body", "body": part, "more_body": part != parts[-1]} for part in parts]
    head, body = through(lambda send: dress(send, "<title>robot \u2603</title>"), start(content_length="50", etag="x"), *bodies)
    assert body["body"] == "<html><head><title>robot \u2603</title></head></html>".encode()
    assert headers_of(head) == {"content-length": str(len(body["body"])), "cache-control": "no-store"}


def test_another_page_is_left_as_it_is():
    sent = through(lambda send: dress(send, "<title>x</title>"), start(etag="x"), {"type": "http.response.body", "body": b"no"})
    assert headers_of(sent[0]) == {"etag": "x"} and sent[1]["body"] == b"no"
