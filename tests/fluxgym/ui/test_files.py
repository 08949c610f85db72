"""The files of a run over HTTP: what is served, with which headers, and above all what is not."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.files import ROUTES, find_file
from fluxgym.ui.routes import file_url
from trainer.folder import RunFolder


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    for path in (folder.samples / "robot_e000001_00_1_42.png", folder.thumbnails / "a.webp", folder.lora, folder.training_log):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    (folder.path / "config.toml").write_text("secret = 1", encoding="utf-8")
    (outputs.parent / "secret.png").write_bytes(b"secret")
    return folder


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


@pytest.mark.parametrize(
    ("kind", "file", "is_download"),
    [
        ("samples", "robot_e000001_00_1_42.png", False),
        ("thumbnails", "a.webp", False),
        ("loras", "robot.safetensors", True),
        ("logs", "training.log", True),
    ],
)
def test_what_is_served(run: RunFolder, client: TestClient, kind: str, file: str, is_download: bool) -> None:
    answer = client.get(file_url(run.name, kind, file))
    assert (answer.status_code, answer.content) == (200, file.encode())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get("content-disposition") == ("attachment" if is_download else None)
    again = client.get(file_url(run.name, kind, file), headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = client.get(file_url(run.name, kind, file), headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, file.encode()[2:5])


@pytest.mark.parametrize(
    "path",
    [
        "robot/samples/no.png",
        "robot/samples/..%2f..%2f..%2fsecret.png",
        "robot/samples/../../../secret.png",
        "robot/samples/%2e%2e",
        "robot/samples/",
        "robot/samples/x%00.png",
        "robot/samples/" + "x" * 5000 + ".png",
        "robot/samples/link.png",
        "robot/samples/folder.png",
        "robot/loras/config.toml",
        "robot/logs/config.toml",
        "robot/states/training.log",
        "robot/__class__/training.log",
        "../samples/secret.png",
        "%2e%2e/logs/training.log",
        "no-run/logs/training.log",
        ".draft/logs/training.log",
    ],
)
def test_what_is_not(run: RunFolder, client: TestClient, outputs: Path, path: str) -> None:
    (run.samples / "link.png").symlink_to(outputs.parent / "secret.png")
    (run.samples / "folder.png").mkdir()
    draft = RunFolder(outputs / ".draft")
    draft.path.mkdir()
    draft.training_log.touch()
    answer = client.get(f"/files/{path}")
    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_hostile_names_find_nothing(run: RunFolder, hostile_name: str) -> None:
    assert find_file(hostile_name, "logs", "training.log") is None
    assert find_file(run.name, hostile_name, "training.log") is None
    assert find_file(run.name, "samples", hostile_name) is None
    assert find_file(run.name, "samples", hostile_name + ".png") is None
