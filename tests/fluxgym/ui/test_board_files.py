"""The board over HTTP: what is on it, what a file says of itself, the file; and nothing else."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.board_files import ROUTES, board_url
from fluxgym.ui.files import ROUTES as FILES
from tests.small_training import write_lora
from trainer.folder import RunFolder


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    (folder.path / "checkpoint-500").mkdir(parents=True)
    folder.config.write_text('trigger = "sks"', encoding="utf-8")
    write_lora(folder.epoch_lora(4), metadata={"note": "<b>"})
    write_lora(folder.path / "checkpoint-500" / "pytorch_lora_weights.safetensors")
    return folder


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[*ROUTES, *FILES]))


def test_the_board_and_its_files(run: RunFolder, client: TestClient) -> None:
    answer = client.get(board_url("robot"))
    told = answer.json()
    assert {file["place"] for file in told["files"]} == {
        "robot-000004.safetensors",
        "checkpoint-500/pytorch_lora_weights.safetensors",
    }
    assert client.get(board_url("robot"), headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get(board_url("none")).status_code == 404
    for file in told["files"]:
        sent = client.get(f"files/robot/lora/{file['place']}")
        assert sent.content == (run.path / file["place"]).read_bytes()
        assert sent.headers["content-disposition"] == "attachment"
        again = client.get(f"files/robot/lora/{file['place']}", headers={"if-none-match": sent.headers["etag"]})
        assert again.status_code == 304
    about = client.get("files/robot/about/robot-000004.safetensors").json()
    assert about["metadata"] == {"format": "pt", "note": "<b>"}
    assert about["facts"]["Numbers"] == "8 in 2 tensors, F32"


@pytest.mark.parametrize("kind", ["lora", "about"])
@pytest.mark.parametrize(
    "place",
    [
        "config.toml",
        "checkpoint-500/../config.toml",
        "..%2fsecret.safetensors",
        "%2fetc%2fpasswd",
        "linked.safetensors",
        "%00",
        "",
    ],
)
def test_no_address_reaches_anything_else(run: RunFolder, client: TestClient, kind: str, place: str) -> None:
    secret = run.path.parent / "secret.safetensors"
    write_lora(secret)
    if kind == "lora":
        (run.path / "linked.safetensors").symlink_to(secret)
    assert client.get(f"/files/robot/{kind}/{place}").status_code in (404, 405)
