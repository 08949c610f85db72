"""A data set over HTTP: told, looked at, changed, and nothing but it."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.dataset import incoming, removal
from fluxgym.dataset.sets import make_set
from fluxgym.ui.set_files import ROUTES, board_url, find_version
from trainer.mini import DATASET


@pytest.fixture
def cat(outputs: Path) -> Path:
    folder = make_set("cat")
    for number, name in enumerate("abc"):
        Image.new("RGB", (800, 400 + 200 * number), (90 * number, 0, 0)).save(folder / f"{name} &.png")
    (folder / "a &.txt").write_text("one cat")
    return folder


@pytest.fixture
def client(outputs: Path) -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


def board(client: TestClient, place: Path, resolution: int = 512) -> dict[str, Any]:
    return client.get(board_url(place, resolution)).json()


def do(client: TestClient, deed: str, place: Path, **said: object) -> tuple[int, dict[str, Any]]:
    answer = client.post(f"sets/do/{deed}", json={"place": str(place), **said})
    return answer.status_code, answer.json()


def test_the_board_says_what_there_is(cat: Path, client: TestClient) -> None:
    (cat / "lonely.txt").write_text("x")
    told = board(client, cat)
    first = told["images"][0]
    assert [image["name"] for image in told["images"]] == ["a &.png", "b &.png", "c &.png"]
    assert (first["text"], first["size"], first["is_small"]) == ("one cat", [800, 400], False)
    assert [image["is_small"] for image in board(client, cat, 768)["images"]] == [True, True, False]
    assert (told["lonely"], told["is_editable"], told["is_removable"], told["undo"]) == (["lonely.txt"], True, True, 0)
    assert told["version"] == find_version(cat)


def test_a_board_that_the_browser_has_is_not_sent_again(cat: Path, client: TestClient) -> None:
    etag = client.get(board_url(cat, 512)).headers["etag"]
    assert client.get(board_url(cat, 512), headers={"if-none-match": etag}).status_code == 304
    (cat / "b &.txt").write_text("new")
    assert client.get(board_url(cat, 512), headers={"if-none-match": etag}).status_code == 200


def test_pictures_are_small_or_whole_and_kept_by_the_browser(cat: Path, client: TestClient) -> None:
    url = board(client, cat)["images"][0]["url"]
    small = client.get(f"{url}&small=1")
    assert (small.headers["content-type"], small.headers["cache-control"]) == (
        "image/webp",
        "private, max-age=31536000, immutable",
    )
    assert Image.open(io.BytesIO(small.content)).size == (384, 192)
    assert Image.open(io.BytesIO(client.get(url).content)).size == (800, 400)
    assert client.get(f"{url}&small=1", headers={"if-none-match": small.headers["etag"]}).content in (b"", small.content)
    assert not [path for path in cat.iterdir() if path.suffix not in (".png", ".txt")], "thumbnails lie elsewhere"
    (cat / "b &.png").write_bytes(b"<html>")
    broken = board(client, cat)["images"][1]
    assert broken["size"] is None
    assert client.get(f"{broken['url']}&small=1").status_code == client.get(broken["url"]).status_code == 404


@pytest.mark.parametrize("key", ["../../outputs/secret.png", "/etc/passwd", "a &.txt", "", "x\0", ".removed/a.png"])
def test_no_address_names_anything_else(cat: Path, client: TestClient, key: str) -> None:
    Image.new("RGB", (8, 8)).save(cat.parent.parent / "outputs" / "secret.png")
    assert client.get("sets/picture", params={"place": str(cat), "image": key}).status_code == 404


@pytest.mark.parametrize("place", ["", "/nowhere", "\0", "/etc/passwd", "a" * 5000])
def test_no_place_is_no_board(client: TestClient, place: str) -> None:
    assert client.get("sets/board", params={"place": place}).status_code == 404
    assert client.get("sets/alike", params={"place": place}).status_code == 404
    assert do(client, "caption", Path(place or "/none"), key="a", text="b")[0] == 400


def test_a_caption_is_kept_where_it_still_is_what_the_writer_believes(cat: Path, client: TestClient) -> None:
    code, told = do(client, "caption", cat, key="b &.png", text=" two ", before="")
    assert (code, told["text"], told["version"]) == (200, "two", find_version(cat))
    assert (cat / "b &.txt").read_text() == "two\n"
    code, told = do(client, "caption", cat, key="b &.png", text="three", before="")
    assert (code, told["text"]) == (409, "two")
    assert do(client, "caption", cat, key="b &.png", text="x" * 10_001, before="two")[0] == 400
    assert do(client, "caption", cat, key="no.png", text="x", before="")[0] == 400
    key = board(client, DATASET)["images"][0]["key"]
    assert "only looked at" in do(client, "caption", DATASET, key=key, text="x", before="")[1]["error"]
    assert not board(client, DATASET)["is_editable"]


def test_a_disk_that_cannot_be_written_says_so(cat: Path, client: TestClient) -> None:
    (cat / "b &.txt.new").mkdir()  # where it is written beside
    code, told = do(client, "caption", cat, key="b &.png", text="two", before="")
    assert (code, "irectory" in told["error"]) == (507, True)


def test_many_captions_are_changed_and_taken_back(cat: Path, client: TestClient) -> None:
    keys = [image["key"] for image in board(client, cat)["images"]]
    changes = do(client, "preview", cat, keys=keys, kind="prefix", text="sks, ")[1]["changes"]
    assert changes == [["a &.png", "one cat", "sks, one cat"], ["b &.png", "", "sks"], ["c &.png", "", "sks"]]
    assert do(client, "change", cat, changes=changes) == (200, {"changed": 3, "left": []})
    assert board(client, cat)["undo"] == 3
    assert do(client, "undo", cat) == (200, {"changed": 3, "left": []})
    assert [image["text"] for image in board(client, cat)["images"]] == ["one cat", "", ""]


def test_images_go_and_come_back(cat: Path, client: TestClient) -> None:
    (cat / "lonely.txt").write_text("x")
    assert do(client, "remove", cat, keys=["a &.png", "b &.png"]) == (200, {"removed": 2})
    told = board(client, cat)
    assert ([image["key"] for image in told["images"]], told["removed"]) == (["c &.png"], 2)
    assert do(client, "bring-back", cat) == (200, {"left": []})
    assert do(client, "remove", cat, lonely=["lonely.txt"]) == (200, {"removed": 1})
    assert len(board(client, cat)["images"]) == 3
    other = cat.parent.parent / "other"
    other.mkdir()
    Image.new("RGB", (64, 64)).save(other / "a.png")
    assert do(client, "remove", other, keys=["a.png"])[0] == 400


def test_another_image_takes_the_place_of_one(cat: Path, client: TestClient) -> None:
    (cat / "b &.txt").write_text("bee")
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "blue").save(out, "JPEG")

    def replace(place: Path, image: str, name: str, body: bytes) -> tuple[int, dict[str, Any]]:
        answer = client.post("sets/replace", params={"place": str(place), "image": image, "name": name}, content=body)
        return answer.status_code, answer.json()

    assert replace(cat, "b &.png", "new.JPG", out.getvalue()) == (200, {"key": "b &.jpg"})
    assert [(image["key"], image["text"]) for image in board(client, cat)["images"]][1] == ("b &.jpg", "bee")
    for place, image, name, body in [
        (cat, "a &.png", "x.jpg", b"<html>"),
        (cat, "a &.png", "x.txt", out.getvalue()),
        (cat, "a &.png", "", out.getvalue()),
        (cat, "a &.png", "x.\0", out.getvalue()),
        (cat, "none.png", "x.jpg", out.getvalue()),
        (cat.parent, "cat/a &.png", "x.jpg", out.getvalue()),
        (DATASET, "robot_01.png", "x.png", out.getvalue()),
    ]:
        assert replace(place, image, name, body)[0] == 400
    assert sorted(path.name for path in cat.iterdir()) == ["a &.png", "a &.txt", "b &.jpg", "b &.txt", "c &.png"]


def test_what_a_server_that_died_left_of_one_goes(cat: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: list[Path] = []
    monkeypatch.setattr(removal, "replace_image", lambda place, key, data: arrived.append(data) or key)
    client.post("sets/replace", params={"place": str(cat), "image": "b &.png", "name": "x.jpg"}, content=b"x")
    assert [path.parent.name for path in arrived] == [incoming.ARRIVING], "old files there are thrown away"


def test_those_that_are_alike_are_told(cat: Path, client: TestClient) -> None:
    (cat / "copy.png").write_bytes((cat / "a &.png").read_bytes())
    assert client.get("sets/alike", params={"place": str(cat)}).json() == [{"keys": ["a &.png", "copy.png"], "is_same": True}]


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b'{"place": 5}', b'{"place": "', b'{"changes": [["a", "b"]]}', b'{"keys": "a"}']
)
def test_a_body_that_makes_no_sense_is_refused(cat: Path, client: TestClient, body: bytes) -> None:
    body = body.replace(b'{"changes"', f'{{"place": "{cat}", "changes"'.encode())
    body = body.replace(b'{"keys"', f'{{"place": "{cat}", "keys"'.encode())
    for deed in ("caption", "change", "remove", "preview"):
        assert client.post(f"sets/do/{deed}", content=body).status_code == 400
    assert client.post("sets/do/other", content=body).status_code == 404
    assert client.get("sets/do/caption").status_code == 405
