"""What whoever starts the server is told: the address with the key, a note for the terminal, a browser where there is one."""

import asyncio
import json
import socket
import webbrowser

import pytest
from streamlit import config

from fluxgym.access.owner import KEY, OPEN, key_in_use
from fluxgym.ui import front_door, visitor


@pytest.fixture(autouse=True)
def anew(outputs):
    """Each test has an owner of its own."""
    visitor.get_owner.cache_clear()
    yield
    visitor.get_owner.cache_clear()


def test_the_address_with_the_key_is_told():
    said = front_door.tell("http://127.0.0.1:8501", listens_everywhere=False)
    assert said.split() == ["FluxGym:", f"http://127.0.0.1:8501/?key={key_in_use()}"]


def test_the_address_that_others_see_comes_first(monkeypatch):
    monkeypatch.setenv("FLUXGYM_URL", "https://pod-8501.example.org")
    said = front_door.tell("http://127.0.0.1:8501", listens_everywhere=False)
    outside, here = (line.split()[-1] for line in said.splitlines() if line.strip())
    assert (outside, here) == tuple(
        f"{url}/?key={key_in_use()}" for url in ("https://pod-8501.example.org", "http://127.0.0.1:8501")
    )


def test_a_key_of_ones_own_is_not_printed(monkeypatch):
    monkeypatch.setenv(KEY, "a key of my own")
    said = front_door.tell("http://127.0.0.1:8501", listens_everywhere=False)
    assert "a key of" not in said and "key that you set" in said.replace("or the password ", "")


def test_it_warns_where_everybody_may_do_everything_and_where_nothing_is_encrypted(monkeypatch):
    assert "https" in front_door.tell("http://127.0.0.1:8501", listens_everywhere=True)
    monkeypatch.setenv(OPEN, "1")
    said = front_door.tell("http://127.0.0.1:8501", listens_everywhere=False)
    assert "whoever reaches this address" in said and "?key=" not in said


@pytest.mark.parametrize(("headless", "opened"), [(True, []), (False, ["here"])])
def test_it_notes_its_address_and_opens_a_browser_that_is_signed_in(outputs, monkeypatch, capsys, headless, opened):
    option = config.get_option
    told = {"server.headless": headless, "server.baseUrlPath": "/train/"}
    monkeypatch.setattr(config, "get_option", lambda name: told.get(name, option(name)))
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)

    async def start(listener: socket.socket) -> None:
        front_door.announce([listener])
        await asyncio.sleep(0.7)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        asyncio.run(start(listener))
    url = f"http://127.0.0.1:{port}/train"
    assert json.loads((outputs / ".server.json").read_text()) == {"url": url}
    assert f"{url}/?key=" in capsys.readouterr().err
    assert shown == [f"{url}/?key={key_in_use()}" for _ in opened]
