"""The access token on the Models page: stored, looked at, forgotten, and shown nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.models.token import find_token, token_file
from tests.fluxgym.models.hub import TOKEN, Hub
from tests.fluxgym.models.machine import STORE, make_empty, send
from tests.pages.opened import press, told
from trainer.mini import MODEL


@pytest.fixture(autouse=True)
def machine(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty(monkeypatch, tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub("somebody/flux-mini", MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.close()


def script() -> None:
    from fluxgym.ui import token_view

    token_view.draw_token()


def open_view() -> AppTest:
    return AppTest.from_function(script).run()


def test_a_token_is_stored_shown_nowhere_and_forgotten(hub: Hub) -> None:
    page = send(open_view(), "hub-token", "hf_a_wrong_one", STORE)
    assert "Nothing was stored: the Hub does not know this token" in told(page) and find_token() is None
    send(page, "hub-token", f" {TOKEN}", STORE)
    token = find_token()
    assert token and token.secret == TOKEN and "It is stored. It is somebody's." in told(page)
    assert page.text_input(key="hub-token").value == "" and TOKEN not in told(page) + str(page.session_state)
    assert not any(button.disabled for button in page.button)
    assert "It is somebody's." in told(press(page, "Ask whose it is"))
    press(page, "Forget")
    assert not token_file().exists() and "None is here." in told(page)


def test_without_the_hub_a_token_is_stored_all_the_same(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("127.0.0.1", "127.0.0.2"))
    page = send(open_view(), "hub-token", TOKEN, STORE)
    assert "It is stored. Whose it is was not found out" in told(page) and find_token()


def test_a_token_of_the_server_s_environment_cannot_be_forgotten_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    page = open_view()
    assert "From HF_TOKEN, a variable of this server's" in told(page) and [button.label for button in page.button] == [
        "Ask whose it is"
    ]
    assert TOKEN not in told(page)
