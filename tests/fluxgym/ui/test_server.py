"""What the server adds: plotly and files from our own address, no page past dashboard.py, no delay, frozen objects."""

import asyncio
import gc
import socket
import weakref
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from fluxgym.access.gate import USER
from fluxgym.access.owner import KEY
from fluxgym.ui import server, visitor


def test_plotly_comes_from_here() -> None:
    answer = TestClient(Starlette(routes=server.ROUTES)).get("/vendor/plotly.min.js")
    assert answer.status_code == 200
    assert "Plotly" in answer.text
    assert answer.headers["etag"]


def test_the_page_has_our_icon_before_any_script_has_run() -> None:
    answer = TestClient(Starlette(routes=server.ROUTES)).get("/favicon.png")
    assert answer.headers["content-type"] == "image/svg+xml" and answer.text.startswith("<svg")


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


def test_what_the_gate_relies_on_is_set_before_the_server_is_up(outputs: Path) -> None:
    PagesManager.uses_pages_directory = None
    server.prepare()
    assert PagesManager.uses_pages_directory is False
    assert config.get_option("server.trustedUserHeaders") == {USER: "name"}


def test_settings_of_the_access_that_cannot_be_used_are_told_in_one_line(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "short")
    visitor.get_owner.cache_clear()
    with pytest.raises(SystemExit, match="FLUXGYM_KEY: got 5 characters"):
        server.prepare()
    visitor.get_owner.cache_clear()


def test_the_start_freezes_what_is_there_and_quickens_the_listener(outputs: Path) -> None:
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


def test_garbage_is_collected_by_us_and_not_after_each_run_of_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.get_option("runner.postScriptGC") is False, "with many pages open it was most of what a refresh costs"
    monkeypatch.setattr(server, "COLLECTED", 0.01)

    class Page:
        """What a script leaves behind, in a circle."""

        def __init__(self) -> None:
            self.me = self

    async def live() -> None:
        left = weakref.ref(Page())
        collecting = asyncio.create_task(server.collect())
        async with asyncio.timeout(20):
            while left() is not None:
                await asyncio.sleep(0.01)
        collecting.cancel()

    gc.disable()
    try:
        asyncio.run(live())
    finally:
        gc.enable()


def test_scripts_know_who_asks_after_streamlit_has_read_its_settings_again(
    monkeypatch: pytest.MonkeyPatch, outputs: Path
) -> None:
    """As it does when a config.toml was changed: everybody would be shut out until the server is started again."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", True)
    server.prepare()
    config.get_config_options(force_reparse=True)
    assert config.get_option("server.trustedUserHeaders") == {USER: "name"}
