"""What a link shows of all paths, and how often a visitor's page is heard."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fluxgym.access import visits
from fluxgym.access.links import Link, list_links, make_link
from fluxgym.access.visits import Visits
from trainer.folder import RunFolder


def link(*parts: str, name: str = "robot") -> Link:
    return Link(RunFolder(Path("outputs") / name), "id", "digest", "", 0.0, None, frozenset(parts))


@pytest.fixture
def mine() -> Visits:
    return Visits(lambda data: data or None, lambda data: data, lambda link, address: "")


ALWAYS = ["/", "/static/js/index.js", "/_stcore/health", "/code/abc.js", "/vendor/plotly.min.js", "/charts/robot/learns"]
NEVER = [
    *(
        "/run",
        "/_stcore/metrics",
        "/_stcore/upload_file/a/b",
        "/media/abc.png",
        "/component/other.x/index.html",
        "/login",
        "/logout",
    ),
    *("/csv/robot/steps.csv", "/lines/robot/training", "/log/robot/training", "/live/robot/training", "/together/charts"),
    *("/files/robot/logs/training.log", "/files/robot/loras/robot.safetensors", "/files/robot/board", "/files/robot/about/x"),
    *("/charts/other/learns", "/files/other/grid", "/files/other/pictures/a", "/files/other/lora/a", "/card/other.jpg"),
    *("/freeze/robot.html", "/vendor/plotly.json", "/code/abc", "/charts/robot", "/charts/robot/learns/x", "/files/robot/lora"),
    *(
        "//",
        "/charts//learns",
        "/files/robot/pictures/../x",
        "/static/../run",
        "/static/./x",
        "/files/robot/pictures\\x",
        "/a\0",
    ),
    *("/static", "/static/", "/Static/x", "/charts/robot/learns/"),
]


@pytest.mark.parametrize("path", ALWAYS)
def test_what_each_link_shows(mine: Visits, path: str) -> None:
    assert mine.may_ask(link(), path)


@pytest.mark.parametrize("path", NEVER)
def test_what_no_link_shows(mine: Visits, path: str) -> None:
    assert not mine.may_ask(link("log", "samples", "settings", "checkpoints"), path)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("samples", "/files/robot/grid"),
        ("samples", "/files/robot/pictures/a/b.png"),
        ("samples", "/card/robot.jpg"),
        ("checkpoints", "/files/robot/lora/robot.safetensors"),
    ],
)
def test_what_is_shown_by_choice(mine: Visits, part: str, path: str) -> None:
    others = {"log", "samples", "settings", "checkpoints"} - {part}
    assert mine.may_ask(link(part), path) and not mine.may_ask(link(*others), path)


def test_a_run_is_compared_letter_by_letter(mine: Visits) -> None:
    odd = link("samples", name="a%2fb c")
    assert mine.may_ask(odd, "/files/a%2fb c/grid")
    assert not mine.may_ask(odd, "/files/a/b c/grid") and not mine.may_ask(odd, "/files/A%2FB C/grid")


def receive(data: bytes = b"x") -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": data}


def test_a_flood_is_not_heard_and_ebbs(mine: Visits, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(visits, "monotonic", lambda: now[0])
    monkeypatch.setattr(visits, "note_visit", lambda link, is_new: None)

    async def run() -> None:
        visit = mine.begin(link())
        visit._heard = now[0]
        heard = [visit.hear(receive()) for _ in range(1000)]
        assert sum(each is not None for each in heard) == visits.BURST
        now[0] += 5.0
        assert visit.hear(receive()) == receive()

    asyncio.run(run())


@pytest.mark.parametrize("message", [receive(b""), receive(b"x" * 70_000), {"type": "websocket.receive", "text": "x"}])
def test_what_no_page_says_is_not_heard(mine: Visits, message: dict[str, Any]) -> None:
    assert mine.begin(link()).hear(message) is None


def test_a_visit_is_counted_once_it_asks_for_the_page(mine: Visits, outputs: Path) -> None:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    made, _ = make_link(folder)

    async def run() -> None:
        visit = mine.begin(made)
        assert mine.open.total() == 1
        for _ in range(5):
            visit.hear(receive())
        await asyncio.gather(*visit._tasks)
        visit.end()

    asyncio.run(run())
    assert not mine.open
    (seen,) = list_links(folder)
    assert seen.views == 1 and seen.seen
