"""Samples over HTTP: listed, small and whole, kept by the browser, and nothing else."""

import io
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.files import ROUTES as FILES
from fluxgym.ui.pictures import ROUTES, grid_url
from tests.fluxgym.ui.visitor import as_visitor
from trainer.folder import RunFolder

NAME = "a robot_e000001_00_20261124101502_42.png"


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    folder.samples.mkdir(parents=True)
    folder.config.write_text('secret = 1\n[sample]\nprompts = ["a cat", "a dog"]\n', encoding="utf-8")
    Image.new("RGB", (800, 400), "red").save(folder.samples / NAME)
    return folder


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[*ROUTES, *FILES]))


def test_the_grid_says_what_there_is(run: RunFolder, client: TestClient) -> None:
    answer = client.get(grid_url("robot"))
    told = answer.json()
    assert told["columns"] == ["epoch 1"]
    assert [(row["prompt"], row["seed"]) for row in told["rows"]] == [("a cat", 42), ("a dog", 43)]
    (cell,), (empty,) = (row["cells"] for row in told["rows"])
    assert cell.startswith("files/robot/pictures/sample/a%20robot_e000001_00_20261124101502_42.png?v=")
    assert empty is None
    again = client.get(grid_url("robot"), headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(grid_url("none")).status_code == 404


def test_a_picture_and_its_thumbnail_are_kept_by_the_browser(run: RunFolder, client: TestClient) -> None:
    cell = client.get(grid_url("robot")).json()["rows"][0]["cells"][0]
    assert not run.thumbnails.exists(), "a thumbnail is made when it is asked for"
    whole, small = client.get(cell), client.get(f"{cell}&small=1")
    assert whole.content == (run.samples / NAME).read_bytes()
    assert whole.headers["content-type"] == "image/png"
    assert small.headers["content-type"] == "image/webp"
    assert small.content == next(run.thumbnails.iterdir()).read_bytes()
    for answer, url in ((whole, cell), (small, f"{cell}&small=1")):
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get(url, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get(cell.split("?")[0]).headers["cache-control"] == "private, no-cache"


def test_what_is_not_whole_yet_is_not_there_and_not_kept(run: RunFolder, client: TestClient) -> None:
    (run.samples / NAME).write_bytes(b"half")
    answer = client.get(client.get(grid_url("robot")).json()["rows"][0]["cells"][0] + "&small=1")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "place",
    [
        "config.toml",
        "sample/../config.toml",
        "sample/..%2fconfig.toml",
        "sample%2f..%2f..%2fsecret.png",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "sample/b_e000001_00_20261124101502_42.png",
        "sample/%00.png",
        "",
    ],
)
def test_no_address_reaches_anything_else(run: RunFolder, client: TestClient, place: str) -> None:
    (run.path.parent.parent / "secret.png").write_bytes(b"secret")
    (run.samples / "b_e000001_00_20261124101502_42.png").symlink_to(run.path.parent.parent / "secret.png")
    assert client.get(f"/files/robot/pictures/{place}").status_code in (404, 405)


def test_a_visitor_gets_whole_pictures_without_what_is_written_in_them(run: RunFolder, client: TestClient) -> None:
    notes = PngInfo()
    notes.add_text("parameters", "a secret of the maker")
    Image.new("RGB", (800, 400), "red").save(run.samples / NAME, pnginfo=notes)
    visitor = as_visitor(run, ROUTES)
    cell = visitor.get(grid_url("robot")).json()["rows"][0]["cells"][0]
    assert b"a secret of the maker" in client.get(cell).content
    answer = visitor.get(cell)
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (800, 400)
    assert b"secret" not in answer.content
    assert visitor.get(cell, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert visitor.get(f"{cell}&small=1").content == client.get(f"{cell}&small=1").content


def test_a_visitor_reads_prompts_redacted(run: RunFolder, client: TestClient) -> None:
    run.config.write_text('[sample]\nprompts = ["a cat in /home/alice/cats"]\n', encoding="utf-8")
    prompts = [asks.get(grid_url("robot")).json()["rows"][0]["prompt"] for asks in (client, as_visitor(run, ROUTES))]
    assert prompts[0] == "a cat in /home/alice/cats"
    assert "alice" not in prompts[1]
    assert prompts[1].startswith("a cat in ")
