"""Losses of several runs in one chart: each in its own colour, all smoothed alike, along steps, epochs or time."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from fluxgym.log.history import History
from fluxgym.view.curves import EPOCH, STEP, TIME
from fluxgym.view.overlay import COLOURS, MOST_POINTS, Line, find_missing, loss_overlay, read_lines, validation_overlay

from .runs import overfitting, step_lines


def read(path: Path, log: str) -> History:
    path.write_text(log)
    history = History(path)
    history.update()
    return history


@pytest.fixture
def histories(tmp_path: Path) -> list[tuple[str, History]]:
    """A run of 40 steps with validations, one of 600 that names no epochs, and one that has not begun."""
    logs = {"short": overfitting(4, 2, []), "long": step_lines(1, 600, 600, loss=0.3), "new": ""}
    return [(name, read(tmp_path / name, log)) for name, log in logs.items()]


def traces(figure: dict) -> dict[str, dict]:
    go.Figure(figure)  # plotly refuses what it does not know
    return {trace["name"]: trace for trace in figure["data"]}


def test_each_run_has_its_colour_and_keeps_it(histories: list) -> None:
    drawn = traces(loss_overlay(read_lines(histories)))
    assert list(drawn) == ["short", "long"], "what has no step has no line"
    assert [trace["line"]["color"] for trace in drawn.values()] == list(COLOURS[:2])
    assert drawn["short"]["x"][-1] == 40
    assert drawn["long"]["x"][-1] == 600
    assert drawn["long"]["y"][-1] == 0.3
    checked = traces(validation_overlay(read_lines(histories)))
    assert (checked["short"]["x"], checked["short"]["y"]) == ([10, 20, 30, 40], [0.51, 0.5, 0.51, 0.52])
    assert checked["short"]["line"]["color"] == COLOURS[0]


def test_all_are_smoothed_over_as_many_steps_as_the_longest_needs(tmp_path: Path) -> None:
    rough = "".join(step_lines(step, step, 400, loss=0.4 + 0.2 * (step % 2)) for step in range(1, 401))
    short, long = read(tmp_path / "short", rough), read(tmp_path / "long", step_lines(1, 4000, 4000))

    def roughness(line: Line) -> float:
        return float(np.abs(np.diff(line.curves.smooth[100:])).sum())

    alone, beside = (read_lines([("short", short), *others])[0] for others in ([], [("long", long)]))
    assert list(alone.curves.x) == list(beside.curves.x)
    assert 0 < roughness(beside) < roughness(alone) / 2


def test_along_epochs_and_time(histories: list) -> None:
    lines = read_lines(histories, EPOCH)
    assert traces(loss_overlay(lines, EPOCH))["short"]["x"][-1] == 4
    assert find_missing(lines, EPOCH) == ["long"], "it names no epochs; the one without a step has nothing to miss"
    lines = read_lines(histories, TIME)
    figure = loss_overlay(lines, TIME)
    assert figure["layout"]["xaxis"]["title"]["text"] == "minutes of training"
    assert traces(figure)["long"]["x"][-1] == pytest.approx(599 * 2 / 60, abs=0.1)
    assert find_missing(lines, TIME) == []
    assert find_missing(read_lines(histories), STEP) == []


def test_a_logarithmic_scale(histories: list) -> None:
    axis = loss_overlay(read_lines(histories), is_log=True)["layout"]["yaxis"]
    assert (axis["type"], axis["tickformat"]) == ("log", ".3~g")
    assert loss_overlay(read_lines(histories))["layout"]["yaxis"].get("type") is None


def test_names_are_no_markup_and_short_enough_for_a_legend(histories: list) -> None:
    hostile = [("<b>bold</b>", histories[0][1]), ("x" * 300, histories[1][1])]
    names = [trace["name"] for trace in loss_overlay(read_lines(hostile))["data"]]
    assert names[0] == "&lt;b&gt;bold&lt;/b&gt;"
    assert len(names[1]) < 30


def test_a_long_run_has_as_many_points_as_a_short_one(tmp_path: Path) -> None:
    history = read(tmp_path / "big", step_lines(1, 20_000, 20_000))
    [trace] = loss_overlay(read_lines([("big", history)]))["data"]
    assert MOST_POINTS / 3 < len(trace["x"]) <= MOST_POINTS + 1
    assert trace["x"][-1] == history.step
