"""The zip of a run over HTTP."""

import io
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.publish.parcel import LORAS, SETTINGS
from fluxgym.ui import parcel
from tests.fluxgym.publish.a_run import folder

__all__ = ["folder"]


@pytest.fixture
def client(folder):
    return TestClient(Starlette(routes=parcel.ROUTES))


def test_the_parts_that_are_asked_for(client):
    answer = client.get(f"/{parcel.zip_url('robot', (SETTINGS, LORAS))}")
    assert answer.status_code == 200 and "robot.zip" in answer.headers["content-disposition"]
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert set(names) == {"robot/robot.safetensors", "robot/robot-000001.safetensors", "robot/config.toml"}


def test_what_is_not_there(client):
    assert client.get("/zip/robot.zip?parts=secrets").status_code == 400
    assert client.get("/zip/none.zip").status_code == 404
    assert client.get("/zip/..%2Frobot.zip").status_code == 404
