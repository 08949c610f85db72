"""A frozen run over HTTP, and the choice of what is inside."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from fluxgym.ui.freeze import ROUTES, freeze_url
from fluxgym.view.snapshot import PARTS
from trainer.folder import RunFolder


@pytest.fixture
def client(outputs: Path) -> TestClient:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    folder.training_log.write_text("Epoch 2/4\na word of the log\n", encoding="utf-8")
    folder.config.write_text("rate = 1\n", encoding="utf-8")
    return TestClient(Starlette(routes=ROUTES))


def test_it_is_a_download(client: TestClient) -> None:
    answer = client.get(freeze_url("robot", PARTS))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''robot.html"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "a word of the log" in answer.text and "rate = 1" in answer.text


def test_parts_are_left_out(client: TestClient) -> None:
    text = client.get(freeze_url("robot", ["samples"])).text
    assert "a word of the log" not in text and "rate = 1" not in text


def test_what_is_not_there_is_refused(client: TestClient, hostile_name: str) -> None:
    assert client.get(freeze_url(hostile_name, PARTS)).status_code == 404
    answer = client.get("freeze/robot.html?without=all")
    assert (answer.status_code, answer.text) == (400, "Got 'all' to leave out, expected of log, samples, settings.")


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui.freeze import draw_freeze

    draw_freeze(find_run("robot"))


def test_the_link_follows_the_choice(client: TestClient) -> None:
    page = AppTest.from_function(script).run()
    assert [box.label for box in page.checkbox] == list(PARTS.values())
    [link] = page.get("link_button")
    assert (link.proto.label, link.proto.url) == (r"Download robot\.html", "freeze/robot.html?without=settings")
    page.checkbox[0].uncheck().run()
    [link] = page.get("link_button")
    assert client.get(link.proto.url).status_code == 200
    assert link.proto.url == "freeze/robot.html?without=log%2Csettings"
