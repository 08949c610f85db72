"""What is added to answers on their way to a browser: headers that keep it safe, cookies, the head of a page."""

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

TOLD = {  # to every browser, about every answer
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a browser would not say whose page posts a form
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TO_VISITORS = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}  # the token is in their addresses
# Streamlit's own page has scripts in it and makes styles; components are imported from blobs. Nothing comes from elsewhere.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss: data: blob:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "form-action 'self'",
        "base-uri 'self'",
        "object-src 'none'",
    )
)


def add_headers(send: Send, is_visitor: bool) -> Send:
    """Adds the headers of every answer."""
    told = TOLD | (TO_VISITORS if is_visitor else {})

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in told.items():
                headers[name] = value
            if headers.get("content-type", "").startswith("text/html"):
                headers["content-security-policy"] = POLICY
        await send(message)

    return add


def add_cookie(send: Send, cookie: str) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", cookie)
        await send(message)

    return add


def dress(send: Send, head: str) -> Send:
    """Puts something into the head of a page that is on its way, in place of the title there."""
    start: Message = {}
    body = b""

    async def add(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
            return
        body += message.get("body", b"")
        if message.get("more_body"):
            return
        before, found, after = body.partition(b"<title>Streamlit</title>")
        if found:
            body = before + head.encode("utf-8", "replace") + after
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(body))
            headers["cache-control"] = "no-store"
            for name in ("etag", "last-modified"):
                if name in headers:
                    del headers[name]
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return add
