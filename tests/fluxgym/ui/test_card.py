"""The preview card over HTTP: a small picture where the link shows samples, nothing otherwise."""

import io
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.card import ROUTES
from tests.fluxgym.ui.visitor import as_visitor
from trainer.folder import RunFolder

URL = "/card/robot.jpg"


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    folder.samples.mkdir(parents=True)
    folder.config.touch()
    Image.effect_noise((1200, 1200), 200).convert("RGB").save(folder.samples / "robot_e000001_00_20261124101502_42.png")
    return folder


def test_the_last_sample_where_samples_are_shown(run: RunFolder) -> None:
    visitor = as_visitor(run, ROUTES)
    answer = visitor.get(URL)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert len(answer.content) <= 300_000
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert visitor.get(URL, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert TestClient(Starlette(routes=ROUTES)).get(URL).content == answer.content, "its owner may look, too"


def test_nothing_where_they_are_not_or_there_is_none(run: RunFolder) -> None:
    assert as_visitor(run, ROUTES, parts=["log"]).get(URL).status_code == 404
    assert as_visitor(run, ROUTES).get("/card/none.jpg").status_code == 404
    for picture in run.samples.iterdir():
        picture.unlink()
    answer = as_visitor(run, ROUTES).get(URL)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
