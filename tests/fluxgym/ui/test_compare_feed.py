"""Runs side by side over HTTP: charts whole at first, then what is new; samples of the same prompts; runs that are gone."""

from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui import pictures
from fluxgym.ui.compare_feed import ROUTES, charts_url, samples_url
from fluxgym.view.charts import View
from fluxgym.view.overlay import COLOURS
from fluxgym.view.sample_names import Column
from tests.fluxgym.view.runs import step_lines
from trainer.folder import RunFolder

HOSTILE = "a,b%2C/../<i>".replace("/", "")


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[*ROUTES, *pictures.ROUTES]))


def make(outputs: Path, name: str, steps: int = 2000, epochs: tuple[int, ...] = ()) -> RunFolder:
    folder = RunFolder(outputs / name)
    folder.samples.mkdir(parents=True)
    folder.config.write_text('[sample]\nprompts = ["a <b>robot</b>"]\nseed = 42\n', encoding="utf-8")
    folder.training_log.write_text(step_lines(1, steps, 9000), encoding="utf-8")
    for epoch in epochs:
        Image.new("RGB", (64, 64)).save(folder.samples / f"x_e{epoch:06d}_00_202611241015{epoch:02d}_42.png")
    return folder


def test_a_refresh_sends_what_is_new(outputs: Path, client: TestClient) -> None:
    runs = [make(outputs, f"run-{number}") for number in range(6)]
    url = charts_url([run.name for run in runs], View())
    first = client.get(url)
    assert first.headers["content-encoding"] == "gzip"
    said = first.json()
    assert set(said["frame"]) == {"loss", "validation"}
    assert len(said["frame"]["loss"]["data"]) == 6
    for run in runs[:2]:
        with run.training_log.open("a", encoding="utf-8") as log:
            log.write(step_lines(2001, 2002, 9000))
    second = client.get(f"{url}&has={said['name']}")
    assert len(second.content) < 1500
    assert client.get(f"{url}&has={second.json()['name']}").json() == {"name": second.json()["name"], "lists": {}}


def test_a_run_that_is_gone_leaves_the_others_their_colours(outputs: Path, client: TestClient) -> None:
    for name in ("a", HOSTILE):
        make(outputs, name, epochs=(4,))
    names = ["a", "gone", HOSTILE]
    frame = client.get(charts_url(names, View())).json()["frame"]
    assert [trace["line"]["color"] for trace in frame["loss"]["data"]] == [COLOURS[0], COLOURS[2]]
    told = client.get(samples_url(names, None)).json()
    assert (told["columns"], told["colours"]) == (["a", HOSTILE], [COLOURS[0], COLOURS[2]])
    for url in (charts_url(["gone", "..", ""], View()), samples_url(["gone"], None)):
        assert client.get(url).status_code == 404
    assert client.get(charts_url(names, View(smoothing=7))).status_code == 400


def test_which_are_not_drawn_by_an_axis_is_told(outputs: Path, client: TestClient) -> None:
    make(outputs, "a")
    loss = client.get(charts_url(["a"], View(axis="epoch"))).json()["frame"]["loss"]
    assert loss["layout"]["meta"]["note"] == "Not drawn by epoch, which their logs do not tell: a"


def test_samples_of_a_moment(outputs: Path, client: TestClient) -> None:
    make(outputs, "a", epochs=(0, 4, 8))
    make(outputs, "b", epochs=(0, 6))
    latest = client.get(samples_url(["a", "b"], None))
    row = latest.json()["rows"][0]
    assert (row["prompt"], row["seed"], row["captions"]) == ("a <b>robot</b>", 42, ["epoch 8", "epoch 6"])
    assert all(client.get(cell).status_code == 200 for cell in row["cells"])
    again = client.get(samples_url(["a", "b"], None), headers={"if-none-match": latest.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    early = client.get(samples_url(["a", "b"], Column(4))).json()
    assert early["version"] != latest.json()["version"]
    assert early["rows"][0]["captions"] == ["epoch 4", "base model"]
