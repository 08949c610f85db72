"""What the server adds: plotly and files from our own address, no page past dashboard.py, no delay, frozen objects."""

import asyncio
import gc
import socket

import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.runtime.pages_manager import PagesManager

from fluxgym.ui import server


def test_plotly_comes_from_here() -> None:
    answer = TestClient(Starlette(routes=server.ROUTES)).get("/vendor/plotly.min.js")
    assert answer.status_code == 200
    assert "Plotly" in answer.text
    assert answer.headers["etag"]


def test_all_routes_lie_below_the_path_of_the_server() -> None:
    for base in ("", "train", "/deep/train/"):
        client = TestClient(Starlette(routes=server.routes_below(base)))
        start = f"/{base.strip('/')}/" if base else "/"
        assert client.get(f"{start}vendor/plotly.min.js").status_code == 200
        assert client.get(f"{start}lines/none/training").text == "No such log."
        assert client.get("/elsewhere/lines/none/training").text == "Not Found"
    moved, asked = server.routes_below("train"), server.ROUTES
    assert [vars(route)["path"] for route in moved] == [f"/train{vars(route)['path']}" for route in asked]
    assert [vars(route).get("methods") for route in moved] == [vars(route).get("methods") for route in asked]


def test_a_page_is_not_a_script_of_its_own() -> None:
    PagesManager.uses_pages_directory = None
    server.keep_pages_private()
    assert PagesManager.uses_pages_directory is False


def test_the_start_freezes_what_is_there_and_quickens_the_listener() -> None:
    app = st.App("dashboard.py")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as other:

        async def live() -> None:
            async with server.lifespan(app):
                assert gc.get_freeze_count() > 1000

        try:
            asyncio.run(live())
        finally:
            gc.unfreeze()
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert listener in server.find_listeners()
        assert other not in server.find_listeners()
