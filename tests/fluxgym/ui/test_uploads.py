"""Files into a data set over HTTP: planned, taken, compared; whatever is sent, nothing is written elsewhere."""

import asyncio
import hashlib
import shutil
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.dataset.incoming import ARRIVING
from fluxgym.ui import uploads
from tests.fluxgym.dataset.test_incoming import picture
from tests.fluxgym.dataset.test_unpack import pack


@pytest.fixture
def place(outputs: Path) -> Path:
    return outputs.parent / "datasets" / "cat"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=uploads.ROUTES))


def plan(client: TestClient, place: Path, files: dict[str, bytes], **said: object) -> list[dict[str, Any]]:
    rows = [[path, len(data)] for path, data in files.items()]
    return client.post("sets/plan", json={"place": str(place), "files": rows, **said}).json()["files"]


def send(client: TestClient, place: Path | str, name: str, data: bytes = b"", **asked: str) -> tuple[int, dict[str, Any]]:
    answer = client.post("sets/arrive", params={"place": str(place), "name": name, **asked}, content=data)
    return answer.status_code, answer.json()


def test_what_is_dropped_is_planned_and_taken(client: TestClient, place: Path) -> None:
    files = {"cats/A 1.PNG": picture("red"), "cats/A 1.txt": b"one", "cats/.DS_Store": b"", "cats/x.exe": b"MZ"}
    image, caption, junk, other = plan(client, place, files)
    assert (image, caption, junk) == (
        {"name": "A_1.png", "is_there": False},
        {"name": "A_1.txt", "is_there": False},
        {"why": ""},
    )
    assert "got 'x.exe', expected an image" in other["why"]
    assert not place.exists(), "a plan makes nothing"
    told = send(client, place, "A_1.png", picture("red"), path="cats/A 1.PNG")
    assert told == (200, {"path": "cats/A 1.PNG", "name": "A_1.png", "outcome": "added", "note": ""})
    send(client, place, "A_1.txt", b"one")
    assert sorted(path.name for path in place.iterdir()) == ["A_1.png", "A_1.txt"]
    assert [each.get("is_there") for each in plan(client, place, files)] == [True, False, None, None], "a caption was tidied"


def test_whether_it_is_there_is_asked_by_its_digest(client: TestClient, place: Path) -> None:
    data, other = picture("red"), picture("blue")
    send(client, place, "a.png", data)
    ask = {"digest": hashlib.sha256(data).hexdigest(), "size": str(len(data))}
    assert send(client, place, "a.png", **ask)[1]["outcome"] == "same"
    assert send(client, place, "a.png", **{**ask, "digest": hashlib.sha256(other).hexdigest()})[1]["outcome"] == "wanted"
    assert (
        send(client, place, "b.png", **ask)[1]["outcome"] == send(client, place, "a.png", digest="x")[1]["outcome"] == "wanted"
    )


def test_folders_with_repeats_stay_where_the_trainer_looks_into_them(client: TestClient, place: Path) -> None:
    files = {"10_sks cat/a.png": picture()}
    assert plan(client, place, files)[0]["name"] == "10_sks_cat/a.png"
    assert send(client, place, "10_sks_cat/a.png", picture())[1]["outcome"] == "added"
    assert plan(client, place, files)[0] == {"name": "10_sks_cat/a.png", "is_there": True}
    send(client, place, "b.png", picture("red"))
    assert plan(client, place, files)[0] == {"name": "a.png", "is_there": False}


def test_what_a_metadata_jsonl_says_becomes_captions(client: TestClient, place: Path) -> None:
    told = '{"file_name": "A 1.png", "text": "one cat"}'
    body = {
        "place": str(place),
        "files": [["x/A 1.png", 9], ["x/metadata.jsonl", 40]],
        "described": [["x/metadata.jsonl", told]],
    }
    answer = client.post("sets/plan", json=body).json()
    assert [each.get("name") for each in answer["files"]] == ["A_1.png", None]
    assert answer["captions"] == [{"name": "A_1.txt", "path": "x/A 1.txt", "text": "one cat"}]


def test_what_differs_is_left_replaced_or_put_beside(client: TestClient, place: Path) -> None:
    send(client, place, "a.png", picture("red"))
    assert send(client, place, "a.png", picture("blue"))[1]["outcome"] == "differs"
    (beside,) = plan(client, place, {"a.png": picture("blue")}, beside=True)
    assert beside["name"] == "a-2.png"
    assert send(client, place, "a.png", picture("blue"), replace="1")[1]["outcome"] == "replaced"
    assert (place / "a.png").read_bytes() == picture("blue")


def test_a_zip_is_unpacked(client: TestClient, place: Path, tmp_path: Path) -> None:
    data = pack(tmp_path / "a.zip", {"a.png": picture("red"), "../b.png": picture()}).read_bytes()
    status, told = send(client, place, "a.zip", data)
    assert (status, [each["outcome"] for each in told["files"]], len(told["refused"])) == (200, ["added"], 1)
    assert [path.name for path in place.iterdir()] == ["a.png"], "neither the zip nor a trace of it"
    assert send(client, place, "b.zip", b"no zip") == (400, {"error": "got a file that is no zip, or not a whole one"})


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/b.png", ".a.png", "a.html", "", "..", "a\0.png", "x/../../a.png"])
def test_no_name_leads_elsewhere(client: TestClient, place: Path, name: str) -> None:
    before = set(place.parent.parent.rglob("*"))
    assert send(client, place, name, picture())[0] == 400
    assert set(place.parent.parent.rglob("*")) == before


def test_no_place_leads_elsewhere(client: TestClient, outputs: Path, tmp_path: Path, hostile_name: str) -> None:
    before = set(outputs.parent.rglob("*"))
    for given in (str(tmp_path / "x"), "..", str(outputs), "", f"{outputs.parent}/datasets/../outputs/x", hostile_name):
        assert send(client, given, "a.png", picture())[0] == 400
        assert client.post("sets/plan", json={"place": given, "files": []}).status_code == 400
    assert set(outputs.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"place": 1}', b'{"place": "x", "files": [["a", "b"]]}', b'{"files": [[1, 2]]}', b"[" * 100_000],
)
def test_a_plan_that_makes_no_sense_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("sets/plan", content=body).status_code == 400


def test_a_list_that_is_too_long_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LONGEST_PLAN", 100)
    assert "more than 100 bytes" in client.post("sets/plan", content=b"x" * 101).json()["error"]


def test_what_breaks_off_leaves_nothing(client: TestClient, place: Path) -> None:
    send(client, place, "a.png", picture("blue"))
    parts = [{"type": "http.request", "body": picture("red")[:50], "more_body": True}, {"type": "http.disconnect"}]
    query = urlencode({"place": str(place), "name": "b.png"}).encode()
    scope = {"type": "http", "method": "POST", "path": "/sets/arrive", "query_string": query, "headers": []}

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def tell(_said: MutableMapping[str, Any]) -> None:
        assert (place / ARRIVING).exists() == bool(parts)

    asyncio.run(Starlette(routes=uploads.ROUTES)(scope, receive, tell))
    assert not parts and [path.name for path in place.iterdir()] == ["a.png"]


def test_a_disk_that_is_full_is_told_and_what_is_there_stays(client: TestClient, place: Path, full_disk: Any) -> None:
    send(client, place, "a.png", picture("blue"))
    with full_disk():
        assert send(client, place, "b.png", picture("red")) == (507, {"error": "File too large"})
    assert [path.name for path in place.iterdir()] == ["a.png"]


def test_what_does_not_say_how_long_it_is_ends_where_the_room_does(
    client: TestClient, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    endless = (b"x" * uploads.BLOCK for _ in range(2 * uploads.LOOK // uploads.BLOCK))
    answer = client.post("sets/arrive", params={"place": str(place), "name": "a.png"}, content=endless)
    assert answer.status_code == 400 and "the disk has no room for it" in answer.json()["error"]
    assert not place.exists()
