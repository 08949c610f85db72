"""Notification services on their page: added by a URL that is shown nowhere again, tried, removed."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.notify.services import add_service, list_services, read_urls

pytestmark = pytest.mark.usefixtures("outputs")
SECRET = "tell-nobody"


def script() -> None:
    from fluxgym.ui import services

    services.answer()
    services.draw_add()
    services.draw_list()


@pytest.fixture
def service() -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a service on this machine, with a secret, and what it was sent."""
    got: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://user:{SECRET}@127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def open_services() -> AppTest:
    page = AppTest.from_function(script, default_timeout=60).run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(part.value for part in [*page.markdown, *page.caption, *page.error]).replace("\\", "")


def add(page: AppTest, url: str) -> AppTest:
    page.text_input(key="service-url").set_value(url)
    next(button for button in page.button if button.label == "Add").click().run()
    return page


def test_a_service_is_added_and_its_url_is_nowhere_in_the_session(service: tuple[str, list[bytes]], tmp_path: Path) -> None:
    page = add(open_services(), service[0])
    assert "1. JSON: 127.0.0.1 is set up" in said(page)
    assert read_urls() == [service[0]]
    assert page.text_input(key="service-url").value == ""
    kept = page.session_state._state.filtered_state  # what Streamlit holds of this session
    assert "service-url" in kept
    assert SECRET not in f"{kept} {said(page)}"
    assert (tmp_path / "notify.json").stat().st_mode & 0o077 == 0


def test_what_is_no_url_is_told_with_the_choices_and_without_it() -> None:
    page = add(open_services(), f"dscord://{SECRET}/x")
    assert "did you mean discord" in said(page)
    assert "Got the scheme dscord://" in said(page)
    assert SECRET not in said(page)
    assert list_services() == []


def test_a_test_says_what_happened(service: tuple[str, list[bytes]]) -> None:
    add_service(service[0])
    add_service("json://127.0.0.1:9/nobody-there")
    page = open_services()
    page.button(key="test:1").click().run()
    assert "The test message was sent" in said(page)
    assert len(service[1]) == 1
    next(button for button in page.button if button.label == "Test all").click().run()
    assert len(service[1]) == 2
    assert "Not sent: it cannot be reached" in said(page)


def test_a_service_is_removed_after_a_question(service: tuple[str, list[bytes]]) -> None:
    add_service(service[0])
    page = open_services()
    page.button(key="remove:1").click().run()
    assert "is not told any more" in said(page)
    assert len(list_services()) == 1, "it only asked"
    page.button(key="remove-confirmed").click().run()
    assert not page.error, said(page)
    assert list_services() == []
    assert "None is set up yet" in said(page)


def test_services_on_one_host_are_told_apart_and_an_empty_field_is_told() -> None:
    for path in "ab":
        add_service(f"json://127.0.0.1:9/{path}")
    page = open_services()
    assert "1. JSON: 127.0.0.1" in said(page)
    page.button(key="remove:2").click().run()
    assert "**2. JSON: 127.0.0.1** is not told any more" in said(page)
    assert "The field is empty; expected the URL of a service" in said(add(page, "  "))


def test_a_service_of_the_environment_is_not_removed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXGYM_NOTIFY", f"json://user:{SECRET}@127.0.0.1")
    page = open_services()
    assert "from FLUXGYM_NOTIFY" in said(page)
    assert not [button for button in page.button if button.label == "Remove"]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "notify.json").write_text(f'{{"urls": "{SECRET}"}}', encoding="utf-8")
    page = open_services()
    assert "cannot be read" in page.error[0].value
    assert SECRET not in said(page)
