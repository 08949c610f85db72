"""Tells who starts the server how to get in: prints the address with the key, and opens a browser where there is one."""

import asyncio
import socket
import sys
import webbrowser

from streamlit import config

from fluxgym.access.address import note_server, told_base
from fluxgym.access.owner import OPEN, is_open
from fluxgym.ui.routes import begin_path
from fluxgym.ui.visitor import get_owner

ANY = ("0.0.0.0", "::")  # addresses that mean all of this machine
OWN = ("127.0.0.1", "::1", "localhost")
OPEN_WARNING = f"{OPEN} is set: whoever reaches this address may see, start, stop and delete everything."
EVERYWHERE = "It listens beyond this machine, unencrypted: put a proxy with https before it (docs/access.md)."


def announce(listeners: list[socket.socket]) -> None:
    """Prints the address, notes it for `share`, and opens the browser. Call it in the server's loop."""
    place, *_ = [listener.getsockname() for listener in listeners if listener.family in (socket.AF_INET, socket.AF_INET6)] or [
        (config.get_option("server.address") or "127.0.0.1", config.get_option("server.port"))
    ]
    host = "127.0.0.1" if place[0] in ANY else place[0]
    url = f"http{'s' if config.get_option('server.sslCertFile') else ''}://{f'[{host}]' if ':' in host else host}:{place[1]}"
    url += begin_path(config.get_option("server.baseUrlPath") or "")
    note_server(url)
    print(tell(url, listens_everywhere=place[0] not in OWN), file=sys.stderr, flush=True)
    if not config.get_option("server.headless"):
        asyncio.get_running_loop().call_later(0.5, _open, address_of(url))


def tell(url: str, listens_everywhere: bool) -> str:
    """What the terminal shows."""
    lines = ["", f"  FluxGym: {address_of(told_base() or url)}", ""]
    if told_base():
        lines.insert(2, f"  On this machine: {address_of(url)}")
    if is_open():
        lines.insert(-1, f"  {OPEN_WARNING}")
    elif get_owner().has_chosen:
        lines.insert(-1, "  Sign in with the key or the password that you set.")
    if listens_everywhere:
        lines.insert(-1, f"  {EVERYWHERE}")
    return "\n".join(lines)


def address_of(url: str) -> str:
    """The address that signs a browser in; without a key where there is none, or it is a secret of the person's own."""
    if is_open() or get_owner().has_chosen:
        return f"{url}/"
    return f"{url}/?key={get_owner().ring.key}"


def _open(url: str) -> None:
    asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)
