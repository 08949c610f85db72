"""What our server adds to Streamlit's: the gate, files, and a start that makes each refresh cheap."""

import asyncio
import gc
import importlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from fluxgym.access.address import told_base
from fluxgym.ui import (
    board_files,
    card,
    chart_feed,
    compare_feed,
    component,
    csv_files,
    files,
    freeze,
    front_door,
    hosts,
    live_log,
    parcel,
    pictures,
    routes,
    set_files,
    uploads,
    visitor,
)

PLOTLY = Path(importlib.import_module("plotly").__file__ or "").parent / "package_data"  # holds plotly.min.js
ROUTES: list[BaseRoute] = [Mount("/vendor", StaticFiles(directory=PLOTLY)), *component.ROUTES]
ROUTES += [*pictures.ROUTES, *board_files.ROUTES, *files.ROUTES, *chart_feed.ROUTES, *csv_files.ROUTES, *live_log.ROUTES]
ROUTES += [
    *compare_feed.ROUTES,
    *card.ROUTES,
    *freeze.ROUTES,
    *parcel.ROUTES,
    *set_files.ROUTES,
    *uploads.ROUTES,
    Route("/favicon.png", lambda _request: FileResponse(routes.ICON)),
]
COLLECTED = 15  # s between two collections of garbage
HEAVY = ("numpy", "pandas", "pyarrow", "PIL.Image", "plotly.graph_objects", "trainer.config", "fluxgym.ui.chart")


def routes_below(base: str) -> list[BaseRoute]:
    """Our routes where Streamlit has its own: below `server.baseUrlPath`, and a page asks for them from where it lies."""
    return [_move(route, routes.begin_path(base)) for route in ROUTES]


def _move(route: BaseRoute, start: str) -> BaseRoute:
    match route:
        case Route():
            return Route(start + route.path, route.endpoint, methods=sorted(route.methods or ()))
        case WebSocketRoute():
            return WebSocketRoute(start + route.path, route.endpoint)
        case Mount():
            return Mount(start + route.path, route.app)
    raise TypeError(f"got {route!r}, expected a route, a mount or a WebSocket's route")


def guards(base: str) -> list[Middleware]:
    """What each request passes first: by which name it came, then who asks."""
    return [Middleware(hosts.KnownHosts), visitor.guard(base)]


def prepare() -> None:
    """Sets what the gate relies on, before the server is up. Neither is public in Streamlit: its version is pinned, and
    tests/access asks for what would be open without them.

    Before anybody has opened a page Streamlit would run any file of pages/ by its address, past dashboard.py. And without
    trusted headers a script does not know who asks, and whoever knows the id of a session may go on with it."""
    try:
        visitor.get_owner()
        told_base()
    except ValueError as error:
        sys.exit(f"fluxgym: {error}")
    PagesManager.uses_pages_directory = False
    trust_gate()
    config.on_config_parsed(trust_gate, force_connect=True)  # it forgets this when somebody changes a config.toml


def trust_gate() -> None:
    """Lets scripts know what the gate says of who asks."""
    config.set_option("server.trustedUserHeaders", visitor.TRUSTED)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Runs around the server's life."""
    for module in HEAVY:
        importlib.import_module(module)
    listeners = find_listeners()
    for listener in listeners:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without it a kept-alive request takes 40 ms
    front_door.announce(listeners)
    gc.collect()
    gc.freeze()  # what is frozen is not looked at again: it would be most of the work
    collecting = asyncio.create_task(collect())
    yield
    collecting.cancel()


async def collect() -> None:
    """Frees what scripts leave behind, now and then. Streamlit would look at all objects after each run of a script;
    config.toml tells it not to, for with a hundred pages open that is most of what a refresh costs."""
    while True:
        await asyncio.sleep(COLLECTED)
        gc.collect()


def find_listeners() -> list[socket.socket]:
    """The server's listening sockets. Neither Streamlit nor uvicorn hands them out."""
    sockets = [thing for thing in gc.get_objects() if type(thing) is socket.socket and thing.fileno() >= 0]
    return [each for each in sockets if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
