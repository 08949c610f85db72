"""The parts of figures: plotly takes them, and they are what charts.py and machine.py count on."""

import plotly.graph_objects as go

from fluxgym.view import figures


def test_each_part_is_one_that_plotly_knows():
    traces = [
        figures.line("a", [1, 2], [0.5, None], figures.BLUE, 2),
        figures.marks("b", [1], ["said"], 0.1, {"symbol": "x"}),
        figures.verticals("c", [1, 5], figures.FAINT, "dot"),
    ]
    figure = go.Figure({"data": traces, "layout": figures.layout("step", "a note", "zoom")})
    assert figure.data[2].x == (1, 1, None, 5, 5, None)
    assert (figure.data[1].y, figure.data[1].yaxis) == ((0.1,), "y2")
    assert figure.layout.meta["note"] == "a note"


def test_a_figure_of_nothing_says_why():
    figure = go.Figure(figures.nothing("step", "No step yet"))
    assert figure.layout.annotations[0].text == "No step yet"
    assert figure.layout.uirevision == figures.layout("step")["uirevision"]


def test_numbers_that_are_none_become_none():
    assert figures.known({"y": [1, 0.5, float("nan"), float("inf")], "name": "a"}) == {"y": [1, 0.5, None, None], "name": "a"}
