"""The routes of the log panel. What a browser makes of them: tests/browser/test_log.py."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fluxgym.log.search import Wanted
from fluxgym.ui import live_log
from trainer.folder import RunFolder


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    write(folder, "one", "two")
    return folder


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=live_log.ROUTES))


def write(folder: RunFolder, *lines: str) -> None:
    with folder.training_log.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def texts(told: dict[str, Any]) -> list[str]:
    return [row[1] for row in told["rows"]]


def test_lines_over_http(run: RunFolder, client: TestClient) -> None:
    told = client.get("/lines/robot/training?lines=1").json()
    assert texts(told) == ["two"]
    write(run, "three")
    assert texts(client.get(f"/lines/robot/training?after=2&check={told['check']}").json()) == ["three"]
    assert texts(client.get("/lines/robot/training?text=T").json()) == ["two", "three"]
    assert texts(client.get("/lines/robot/training?text=T&case=1").json()) == []
    assert client.get("/lines/robot/training?text=t&next=2").json() == {"number": 3, "place": 2, "count": 2}
    assert client.get("/lines/robot/training?text=t&previous=3").json()["number"] == 2
    assert texts(client.get("/lines/robot/training?near=2").json()) == ["one", "two", "three"]


@pytest.mark.parametrize("address", ["robot/no", "robot/..%2ftraining", "no/training", "..%2f/training", "robot/config.toml"])
def test_what_is_no_log(run: RunFolder, client: TestClient, address: str) -> None:
    assert client.get(f"/lines/{address}").status_code == 404
    assert client.get(f"/log/{address}").status_code == 404
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/live/{address}"):
        raise AssertionError("it was let in")


@pytest.mark.parametrize("query", ["level=no", "lines=0", "lines=9999999", "near=x", "next=", "after=1.5"])
def test_what_cannot_be_asked(run: RunFolder, client: TestClient, query: str) -> None:
    answer = client.get(f"/lines/robot/training?{query}")
    assert answer.status_code == 400
    assert "got" in answer.text or "invalid" in answer.text


def test_the_whole_log_in_one(run: RunFolder, client: TestClient) -> None:
    run.old_logs.mkdir()
    (run.old_logs / "training.0001.log.gz").write_bytes(gzip.compress(b"first\n"))
    (run.old_logs / "training.0002.log").mkdir()  # a part that cannot be read is left out
    answer = client.get("/log/robot/training")
    assert answer.text == "first\none\ntwo\n"
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''robot-training.log"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_each_line_as_it_is_written(run: RunFolder, client: TestClient) -> None:
    with client.websocket_connect("/live/robot/training?lines=1") as viewer:
        told = viewer.receive_json()
        assert told["begin"]
        assert texts(told) == ["two"]
        write(run, "three", "2026-11-24 10:15:00 ERROR four")
        told = viewer.receive_json()
        assert told["rows"] == [[3, "three", None], [4, "2026-11-24 10:15:00 ERROR four", "error"]]
        assert "begin" not in told
        assert told["errors"] == 1
    write(run, "five")
    with client.websocket_connect(f"/live/robot/training?after=4&check={told['check']}") as viewer:
        assert texts(viewer.receive_json()) == ["five"]


def test_a_search_is_followed_too(run: RunFolder, client: TestClient) -> None:
    with client.websocket_connect("/live/robot/training?text=THR") as viewer:
        assert texts(viewer.receive_json()) == []
        write(run, "three")
        assert texts(viewer.receive_json()) == ["three"]


def test_all_viewers_share_one_reader_and_the_last_ends_it(
    run: RunFolder, client: TestClient, wait_until: Callable[..., object]
) -> None:
    with client:  # one event loop for all
        with client.websocket_connect("/live/robot/training") as first:
            first.receive_json()
            with client.websocket_connect("/live/robot/training") as second:
                second.receive_json()
                (feed,) = live_log._feeds.values()
                assert feed.viewers == 2
                write(run, "three")
                assert texts(first.receive_json()) == texts(second.receive_json()) == ["three"]
            with client.websocket_connect("/live/robot/training?level=error") as other:
                other.receive_json()
                assert {wanted for _, wanted in live_log._feeds} == {Wanted(), Wanted(level="error")}
        wait_until(lambda: not live_log._feeds)
        wait_until(feed.reading.done)


def test_a_silent_connection_says_that_it_is_alive(run: RunFolder, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "BEAT", 0.1)
    with client.websocket_connect("/live/robot/training") as viewer:
        viewer.receive_json()
        assert viewer.receive_json() == {}
