"""The figures: what is in them, that plotly takes them, and that they stay small."""

import json
import math

import plotly.graph_objects as go
import pytest

from fluxgym.log.history import History
from fluxgym.view import charts
from fluxgym.view.charts import sparkline, thinned

from .runs import stamp, step_lines


def loss_figure(history):
    return checked(charts.loss_figure(history))


def epoch_figure(history):
    return checked(charts.epoch_figure(history))


def checked(figure):
    """The figure as it comes to the browser, by plotly, which raises ValueError for anything that it does not know."""
    return go.Figure(json.loads(json.dumps(figure, allow_nan=False)))


@pytest.fixture
def read(tmp_path):
    def read(log):
        (tmp_path / "a.log").write_text(log)
        history = History(tmp_path / "a.log")
        history.update()
        return history

    return read


def epochs(count, steps):
    return "".join(
        f"{stamp(0)} Epoch {number + 1}/{count}\n"
        + step_lines(number * steps + 1, (number + 1) * steps, count * steps, loss=1 / (number + 1))
        + f"{stamp(0)} Validation: loss {0.9 / (number + 1):.6f} at step {(number + 1) * steps}\n"
        for number in range(count)
    )


def test_the_loss(read):
    figure = loss_figure(read(epochs(4, 50)))
    each, smooth, validation = figure.data
    assert [trace.name for trace in figure.data] == ["each step", "smoothed", "validation"]
    assert list(each.x) == list(range(1, 201))
    assert (each.y[:2], each.opacity) == ((1.0, 1.0), 0.22)
    assert smooth.line.width == 2.4
    assert 0.25 < smooth.y[-1] < 0.3
    assert (validation.x, validation.y) == ((50, 100, 150, 200), (0.9, 0.45, 0.3, 0.225))
    assert (validation.line.color, validation.mode) == ("#D55E00", "lines+markers")
    assert [shape.x0 for shape in figure.layout.shapes] == [51, 101, 151]
    assert figure.layout.annotations == ()


def test_a_long_loss_says_that_it_is_thinned(read):
    figure = loss_figure(read(epochs(3, 1000)))
    shown = len(figure.data[0].x)
    assert shown <= 1025
    assert figure.layout.annotations[0].text == f"{shown:,} of 3,000 points"
    assert figure.data[0].x[-1] == 3000
    assert len(figure.to_json()) < 60_000


def test_losses_without_a_number_are_told_and_the_axis_goes_on(read):
    log = step_lines(1, 5, 100) + step_lines(6, 9, 100, loss=math.nan)
    figure = loss_figure(read(log))
    assert (figure.data[0].x, figure.data[0].y) == ((1, 2, 3, 4, 5, 9), (0.5, 0.5, 0.5, 0.5, 0.5, None))
    assert figure.layout.annotations[0].text == "4 steps without a number"
    assert loss_figure(read(step_lines(1, 1, 100, loss=math.nan))).layout.annotations[0].text == "1 step without a number"


def test_no_axis_goes_below_a_loss_that_can_be(read):
    history = read(step_lines(1, 50, 100))
    assert loss_figure(history).layout.yaxis.rangemode == epoch_figure(history).layout.yaxis.rangemode == "nonnegative"


def test_many_epochs_and_validations_stay_few(read):
    history = read(epochs(1000, 2))
    figure = loss_figure(history)
    assert len(figure.layout.shapes) <= 25
    assert len(figure.data[2].x) <= 129
    assert figure.data[2].x[-1] == 2000
    bars = epoch_figure(history)
    assert len(bars.data[0].x) == 60
    assert bars.layout.annotations[0].text == "the last 60 of 1,000 epochs"


def test_epochs(read):
    (bars,) = epoch_figure(read(epochs(3, 10) + f"{stamp(0)} Epoch 4/9\n" + step_lines(31, 33, 90, loss=0.2))).data
    assert (bars.x, bars.y) == ((1, 2, 3, 4), (1.0, 0.5, 0.3333, 0.2))
    assert bars.marker.opacity == (0.85, 0.85, 0.85, 0.4)
    assert bars.text[2] == "0.333"


def test_both_look_alike_and_keep_the_viewers_zoom(read):
    history = read(epochs(2, 10))
    one, two = loss_figure(history).layout, epoch_figure(history).layout
    assert one.margin == two.margin
    assert one.uirevision == two.uirevision == loss_figure(read("")).layout.uirevision
    assert one.paper_bgcolor == one.plot_bgcolor == "rgba(0, 0, 0, 0)"


def test_before_the_first_step(read):
    assert loss_figure(read("")).layout.annotations[0].text == "No step yet"
    assert epoch_figure(read("")).layout.annotations[0].text == "No epoch yet"
    assert sparkline(read("")) == []
    only = loss_figure(read(f"{stamp(0)} Validation: loss 0.9000 at step 0\n"))
    assert only.data[2].y == (0.9,)


def test_the_sparkline_ends_with_the_number_beside_it(read):
    history = read(epochs(3, 100))
    spark = sparkline(history)
    assert 10 < len(spark) <= 61
    assert spark[-1] == history.avr_loss


def test_one_point_is_no_sparkline(read):
    assert sparkline(read(step_lines(1, 1, 100))) == []
    assert len(sparkline(read(step_lines(1, 2, 100)))) == 2


def test_thinning_keeps_the_end_and_its_places():
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned(list(range(100)), 30)[:3] == [0, 4, 8]
    assert thinned(list(range(101)), 30)[-1] == 100


def test_a_loss_that_is_no_number_is_not_drawn(read):
    history = read(step_lines(1, 20, 100) + step_lines(21, 22, 100, loss=float("nan")))
    assert charts.sparkline(history)[-1] == 0.5
