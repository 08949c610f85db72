"""By which names this server may be reached where no key is asked for: an address in numbers, localhost, and allowedHosts.

A foreign web page can let its own name lead to 127.0.0.1 ("DNS rebinding"). For a browser that page and this server are then
the same site: it could read all logs, start and delete runs. Its requests name it in their Host, and are refused here. Where a
key is asked for any name will do, that of a pod's proxy too: a browser sends the cookie to the name that it signed in to only.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from fluxgym.access.address import told_base
from fluxgym.access.owner import is_open

REFUSED = (
    "Got the host {host!r}, expected localhost or an address in numbers. "
    'A name of your own is put into .streamlit/config.toml: [server] allowedHosts = ["localhost", "127.0.0.1", "the name"]'
)
SAFE = {"x-content-type-options": "nosniff"}


class KnownHosts:
    """Lets nobody through who came here by another name."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_known(host := Headers(scope=scope).get("host", "")):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
            else:
                await PlainTextResponse(REFUSED.format(host=host[:200]), status_code=403, headers=SAFE)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_known(host: str) -> bool:
    """Whether the Host of a request is one by which this server may be reached. No browser sends none."""
    if config.get_option("server.allowedHosts"):
        return is_host_allowed(host)
    if not is_open():
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    own = {config.get_option("server.address"), config.get_option("browser.serverAddress"), _told_host(), "localhost"}
    return not host or name in own or name.endswith(".localhost") or is_number(name)


def _told_host() -> str | None:
    """The name in FLUXGYM_URL, under which others reach this server."""
    try:
        return urlsplit(told_base()).hostname
    except ValueError:
        return None


def is_number(name: str) -> bool:
    """Whether a name is an address in numbers, which cannot be made to lead elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
