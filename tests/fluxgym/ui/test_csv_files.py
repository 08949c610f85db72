"""The tables over HTTP, and the menu that offers each of them."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.csv_files import OFFERED, ROUTES, csv_url
from fluxgym.view.export import TABLES
from trainer.folder import RunFolder

LINE = "2026-11-24 10:00:00 steps:  1%|     | 1/9 [00:00<00:27, 11.00it/s, loss=0.4000, lr=2e-04]\n"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


def test_a_table_is_a_download(outputs: Path, client: TestClient) -> None:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    folder.training_log.write_text(LINE, encoding="utf-8")
    answer = client.get(csv_url("robot", "steps"))
    assert answer.text.splitlines()[1].startswith("1,,0.4,0.0002,")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''robot-steps.csv"


def test_every_table_is_offered_and_none_else_is_sent(outputs: Path, client: TestClient, hostile_name: str) -> None:
    assert set(OFFERED) == set(TABLES)
    (outputs / "robot").mkdir()
    assert client.get("csv/robot/none.csv").status_code == 404
    assert client.get(csv_url(hostile_name, "steps")).status_code == 404
