"""The figures over HTTP: whole at first, then what is new; nothing for addresses that are nonsense."""

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui.chart_feed import GROUPS, ROUTES, chart_url, known, read_view, write
from fluxgym.view.charts import View
from fluxgym.view.curves import AXES
from tests.fluxgym.ui.visitor import as_visitor
from trainer.folder import RunFolder

BAR = (
    "2026-11-24 10:{minute:02d}:{second:02d} steps:  1%|     | {step}/9000 [00:00<00:27, 11.00it/s, loss=0.{loss}, lr=2e-04]\n"
)


def steps(first: int, last: int) -> str:
    return "".join(
        BAR.format(minute=step // 60 % 60, second=step % 60, step=step, loss=4000 + step % 97) for step in range(first, last)
    )


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = RunFolder(outputs / "robot")
    folder.path.mkdir()
    folder.training_log.write_text(steps(1, 2001), encoding="utf-8")
    return folder


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


def test_whole_at_first_then_what_is_new(run: RunFolder, client: TestClient) -> None:
    url = chart_url(run.name, "learns", View())
    first = client.get(url)
    assert first.headers["content-encoding"] == "gzip"
    said = first.json()
    assert set(said["frame"]) == {"loss", "epochs"}
    assert said["lists"]["0"][1][:3] == [1, 2, 3] or len(said["lists"]["0"][1]) > 500
    with run.training_log.open("a", encoding="utf-8") as log:
        log.write(steps(2001, 2011))
    second = client.get(f"{url}&has={said['name']}")
    assert len(second.content) < 2500
    kept, more = second.json()["lists"]["0"]
    assert kept > 900
    assert more[-1] == 2010
    again = client.get(f"{url}&has={second.json()['name']}")
    assert again.json() == {"name": second.json()["name"], "lists": {}}


def test_another_view_of_the_same_run_sends_only_what_differs(run: RunFolder, client: TestClient) -> None:
    said = client.get(chart_url(run.name, "learns", View())).json()
    other = client.get(f"{chart_url(run.name, 'learns', View(smoothing=0.5))}&has={said['name']}").json()
    assert list(other["lists"]) == ["3"]  # y of the smooth line
    assert len(said["lists"]) > 3


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_of_a_run_that_has_written_nothing(outputs: Path, client: TestClient, group: str) -> None:
    (outputs / "empty").mkdir()
    (outputs / "empty" / "config.toml").touch()
    frame = client.get(chart_url("empty", group, View())).json()["frame"]
    assert all(figure["data"] == [] for figure in frame.values())


@pytest.mark.parametrize("query", ["axis=week", "smoothing=2", "smoothing=nan", "smoothing=x"])
def test_a_view_that_there_is_not(run: RunFolder, client: TestClient, query: str) -> None:
    answer = client.get(f"charts/{run.name}/learns?{query}")
    assert answer.status_code == 400
    assert "expected an axis of step, epoch, time" in answer.text


def test_no_such_run_or_group(run: RunFolder, client: TestClient, hostile_name: str) -> None:
    assert client.get(chart_url(run.name, "none", View())).status_code == 404
    assert client.get(chart_url(hostile_name, "learns", View())).status_code == 404


def test_an_address_gives_back_its_view() -> None:
    view = View("time", 0.25, is_log=True, clips=False)
    asked = dict(part.split("=") for part in chart_url("a", "learns", view).partition("?")[2].split("&"))
    assert read_view(asked) == view


def test_what_is_no_number_is_told_as_browsers_read_it() -> None:
    said = {"lists": {"0": [0, [1.5, math.nan, math.inf]]}, "frame": [{"range": [0, -math.inf], "note": "NaN"}]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(said)
    assert json.loads(write(known(said))) == {
        "lists": {"0": [0, [1.5, None, None]]}, "frame": [{"range": [0, None], "note": "NaN"}]
    }  # fmt: skip


def odd_line(chance: random.Random, step: int) -> str:
    """A line as no training should write it, and some do."""
    loss = chance.choice(["nan", "inf", "1e300", "-5", "0", "0.5000", "1e-30"])
    stamp = f"2026-11-{chance.randrange(1, 29):02d} {chance.randrange(24):02d}:{chance.randrange(60):02d}:00"
    bar = f"steps:  5%|# | {step}/{chance.choice([0, 10, 10**14])} [{chance.randrange(99):02d}:00<?, 1.0it/s, "
    return chance.choice(
        [f"{stamp} {bar}loss={loss}, avr_loss={loss}, lr={chance.choice(['1e-4', 'nan', '0', 'x'])}]"] * 6
        + [f"{stamp} {bar}avr_loss={loss}]", f"{stamp} Epoch {chance.randrange(10**6)}/{chance.randrange(9)}"]
        + [f"{stamp} Validation: loss {loss} at step {step}", f"{stamp} Resuming: step {step // 2} of {step}"]
        + [f"=== Attempt {chance.randrange(5)}, {stamp}, resumed from x ===", f"{stamp} Saving LoRA: a.safetensors"]
    )


def whole(value: Any, lists: dict[str, Any]) -> Any:
    """As the browser puts an answer together (chart.js)."""
    if isinstance(value, list):
        return [whole(each, lists) for each in value]
    if isinstance(value, dict):
        return lists[str(value["list"])][1] if "list" in value else {key: whole(each, lists) for key, each in value.items()}
    return value


@pytest.mark.parametrize("seed", range(8))
def test_every_log_gives_figures_that_plotly_takes_and_lines_that_never_go_back(
    outputs: Path, client: TestClient, seed: int
) -> None:
    chance, step, lines = random.Random(seed), 0, []
    for _ in range(60):
        step = max(0, step + chance.choice([1, 1, 1, 1, 1000, -20, 10**13]))
        lines.append(odd_line(chance, step))
    folder = RunFolder(outputs / "odd")
    folder.path.mkdir()
    folder.training_log.write_text("\n".join(lines), encoding="utf-8")
    folder.monitor_log.write_text(
        "".join(f"2026-11-24 10:00:00 state running, step {chance.randrange(99)}/99, gpu 0 use 5%\n" for _ in range(9))
    )
    for axis, group, is_log in itertools.product(AXES, GROUPS, (False, True)):
        said = json.loads(client.get(chart_url("odd", group, View(axis, is_log=is_log))).text, parse_constant=pytest.fail)
        for name, figure in whole(said["frame"], said["lists"]).items():
            for trace in go.Figure(figure).data:
                assert len(trace.x) == len(trace.y)
                if trace.type == "scatter" and trace.yaxis != "y2":
                    assert list(trace.x) == sorted(trace.x), f"{trace.name} of {name} goes back"


# ---- visitors --------------------------------------------------------------------------------------------------------
def test_a_visitor_sees_that_something_happened_and_not_what_was_said_of_it(run: RunFolder, client: TestClient) -> None:
    said = "2026-11-24 10:00:00 health stalled, at step 20: blender (process 7) fills GPU 0.\n"
    run.monitor_log.write_text(said, encoding="utf-8")
    url = chart_url(run.name, "learns", View())
    for asks, is_told in ((client, True), (as_visitor(run, ROUTES), False), (client, True)):
        told = asks.get(url).text
        assert "stalled at step 20" in told
        assert ("blender" in told) is is_told


def test_a_visitor_sees_no_chart_of_the_machine(run: RunFolder, client: TestClient) -> None:
    url = chart_url(run.name, "runs", View())
    assert (client.get(url).status_code, as_visitor(run, ROUTES).get(url).status_code) == (200, 404)


def test_to_a_visitor_no_answer_to_somebody_else_can_be_named(run: RunFolder, client: TestClient) -> None:
    owners = client.get(chart_url(run.name, "learns", View())).json()
    other = RunFolder(run.path.with_name("other"))
    other.path.mkdir()
    other.training_log.write_text(steps(1, 501), encoding="utf-8")
    url = chart_url(other.name, "learns", View())
    visitor = as_visitor(other, ROUTES)
    whole = visitor.get(url).json()
    assert visitor.get(f"{url}&has={owners['name']}").json() == whole, "nothing is left out that the other run has, too"
    assert visitor.get(f"{url}&has={whole['name']}").json()["lists"] == {}
