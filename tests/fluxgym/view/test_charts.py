"""The figures: what is in them, that plotly takes them, and that they stay small."""

import json
import math

import plotly.graph_objects as go
import pytest

from fluxgym.log.history import History
from fluxgym.view import charts
from fluxgym.view.charts import View, sparkline, thinned
from fluxgym.view.health import get_health

from .runs import stamp, step_lines


def loss_figure(history, view=None):
    return checked(charts.loss_figure(history, view))


def epoch_figure(history):
    return checked(charts.epoch_figure(history))


def checked(figure):
    """The figure as it comes to the browser, by plotly, which raises ValueError for anything that it does not know."""
    return go.Figure(json.loads(json.dumps(figure, allow_nan=False)))


def note(figure):
    return figure.layout.meta["note"]


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
    each, smooth, validation, marked = figure.data
    assert [trace.name for trace in figure.data] == ["each step", "smoothed", "validation", "epochs"]
    assert list(each.x) == list(range(1, 201))
    assert (each.y[:2], each.opacity) == ((1.0, 1.0), 0.22)
    assert smooth.line.width == 2.4
    assert 0.25 < smooth.y[-1] < 0.3
    assert (validation.x, validation.y) == ((50, 100, 150, 200), (0.9, 0.45, 0.3, 0.225))
    assert (validation.line.color, validation.mode) == ("#D55E00", "lines+markers")
    assert (marked.x, marked.y) == ((50, 50, None, 100, 100, None, 150, 150, None), (0, 1, None) * 3)
    assert note(figure) == ""


def test_a_long_loss_says_that_it_is_thinned(read):
    figure = loss_figure(read(epochs(3, 1000)))
    shown = len(figure.data[0].x)
    assert shown <= 1025
    assert note(figure) == f"{shown:,} of 3,000 points drawn"
    assert figure.data[0].x[-1] == 3000
    assert len(figure.to_json()) < 60_000


def test_losses_without_a_number_are_told_and_the_axis_goes_on(read):
    log = step_lines(1, 5, 100) + step_lines(6, 9, 100, loss=math.nan)
    figure = loss_figure(read(log))
    assert (figure.data[0].x, figure.data[0].y) == ((1, 2, 3, 4, 5, 9), (0.5, 0.5, 0.5, 0.5, 0.5, None))
    assert note(figure) == "4 steps without a number"
    assert note(loss_figure(read(step_lines(1, 1, 100, loss=math.nan)))) == "1 step without a number"


def test_no_axis_goes_below_a_loss_that_can_be(read):
    history = read(step_lines(1, 50, 100))
    assert loss_figure(history).layout.yaxis.rangemode == epoch_figure(history).layout.yaxis.rangemode == "nonnegative"


def test_many_epochs_and_validations_stay_few(read):
    history = read(epochs(1000, 2))
    figure = loss_figure(history)
    assert len(figure.data[3].x) <= 3 * 25
    assert len(figure.data[2].x) <= 129
    assert figure.data[2].x[-1] == 2000
    bars = epoch_figure(history)
    assert len(bars.data[0].x) == 60
    assert note(bars) == "The last 60 of 1,000 epochs. Thin lines: one standard deviation."


def test_epochs(read):
    (bars,) = epoch_figure(read(epochs(3, 10) + f"{stamp(0)} Epoch 4/9\n" + step_lines(31, 33, 90, loss=0.2))).data
    assert (bars.x, bars.y) == ((1, 2, 3, 4), (1.0, 0.5, 0.3333, 0.2))
    assert bars.marker.opacity == (0.85, 0.85, 0.85, 0.4)
    assert bars.text[2] == "0.333"


def test_both_look_alike_and_keep_the_viewers_zoom(read):
    history = read(epochs(2, 10))
    one, two = loss_figure(history).layout, epoch_figure(history).layout
    assert one.margin.b == two.margin.b
    assert one.uirevision == two.uirevision == loss_figure(read("")).layout.uirevision
    assert one.paper_bgcolor == one.plot_bgcolor == "rgba(0, 0, 0, 0)"


def test_before_the_first_step(read):
    assert loss_figure(read("")).layout.annotations[0].text == "No step so far"
    assert epoch_figure(read("")).layout.annotations[0].text == "No epochs in its log"
    assert sparkline(read("")) == []
    only = loss_figure(read(f"{stamp(0)} Validation: loss 0.9000 at step 0\n"))
    assert only.data[2].y == (0.9,)


def test_the_sparkline_ends_as_the_smoothed_line_does(read):
    history = read(epochs(3, 100))
    spark = sparkline(history)
    assert 10 < len(spark) <= 61
    assert spark[-1] == pytest.approx(loss_figure(history).data[1].y[-1], abs=1e-5)


def test_of_a_loss_that_only_falls_the_sparkline_never_rises(read):
    steps = "".join(step_lines(step, step, 100, loss=0.99 - step / 200) for step in range(1, 101))
    spark = sparkline(read(f"{stamp(0)} Epoch 1/1\n" + steps.replace("avr_loss=0", "avr_loss=1")))  # the mean lies above
    assert len(spark) > 10 and spark == sorted(spark, reverse=True)


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


def test_the_spread_of_an_epoch(read):
    log = f"{stamp(0)} Epoch 1/2\n" + step_lines(1, 5, 20, loss=0.2) + step_lines(6, 10, 20, loss=0.4)
    (bars,) = epoch_figure(read(log)).data
    assert (bars.y, bars.error_y.array) == ((0.3,), (0.1,))


@pytest.mark.parametrize(
    ("axis", "title", "x"), [("step", "step", 40), ("epoch", "epochs done", 2.0), ("time", "minutes of training", 1.3)]
)
def test_each_axis_and_what_is_marked_on_it(read, axis, title, x):
    figure = loss_figure(read(epochs(2, 20) + f"{stamp(0)} Saving sample: a.png\n"), View(axis))
    assert figure.layout.xaxis.title.text == title
    marked = {trace.name: trace for trace in figure.data}
    assert marked["each step"].x[-1] == marked["validation"].x[-1] == marked["samples"].x[-1] == x


def test_the_hours_of_a_long_training(read):
    log = step_lines(1, 3, 9, pace=1.0) + step_lines(4, 4, 9, pace=9000 / 4)
    figure = loss_figure(read(log.replace("[00:00<", "[00:00<", 1).replace(" 4/9 [00:00", " 4/9 [2:30:00")), View("time"))
    assert figure.layout.xaxis.title.text == "hours of training"
    assert figure.data[0].x[-1] == pytest.approx(2.5, abs=0.01)


def test_smoothing_and_a_log_scale(read):
    history = read(epochs(2, 50))
    rough, calm = (loss_figure(history, View(smoothing=weight)).data[1].y for weight in (0.0, 0.99))
    assert rough[-1] == 0.5
    assert calm[-1] > 0.6
    assert loss_figure(history, View(is_log=True)).layout.yaxis.type == "log"


def test_spikes_are_cut_off_and_told_and_can_be_seen(read):
    log = step_lines(1, 99, 300) + step_lines(100, 100, 300, loss=90) + step_lines(101, 200, 300)
    history = read(log)
    figure = loss_figure(history)
    top = figure.layout.yaxis.range[1]
    assert 0.5 < top < 2.5, "the spike pulls at what is smoothed, but the picture is not made for that"
    assert note(figure) == f"1 spike above {top:.2g} cut off"
    low, high = loss_figure(history, View(is_log=True)).layout.yaxis.range
    assert high == pytest.approx(math.log10(top))
    assert 10**low < 0.5
    whole = loss_figure(history, View(clips=False))
    assert (whole.layout.yaxis.range, note(whole)) == (None, "")
    assert loss_figure(read(step_lines(1, 99, 300))).layout.yaxis.range is None


def test_attempts_checkpoints_and_alerts_are_marked(read, tmp_path):
    log = (
        f"=== Attempt 1, {stamp(0)} ===\n" + step_lines(1, 10, 40) + f"{stamp(0)} Saving LoRA: outputs/a/a-000001.safetensors\n"
    )
    log += f"=== Attempt 2, {stamp(30)}, resumed from a-1-state ===\n{stamp(30)} Resuming: step 10 of 40\n"
    (tmp_path / "monitor.log").write_text(f"{stamp(0)} health stalled, at step 7: No <b>step</b> for 9 m.\n")
    health = get_health(tmp_path / "monitor.log")
    figure = checked(charts.loss_figure(read(log + step_lines(11, 20, 40)), View(), health))
    marked = {trace.name: trace for trace in figure.data}
    assert (marked["checkpoints"].x, marked["checkpoints"].text) == ((10,), ("checkpoints at step 10",))
    assert (marked["attempts"].x, marked["attempts"].text) == ((10,), ("attempt 2 goes on after step 10",))
    assert (marked["alerts"].x, marked["alerts"].text) == ((7,), ("stalled at step 7: No &lt;b&gt;step&lt;/b&gt; for 9 m.",))
    assert {trace.yaxis for trace in figure.data[2:]} == {"y2"}


def test_the_zoom_is_kept_while_the_axes_are_the_same(read):
    history = read(epochs(2, 10))
    one, other = loss_figure(history, View()).layout, loss_figure(history, View("time", is_log=True)).layout
    assert one.xaxis.uirevision != other.xaxis.uirevision
    assert one.yaxis.uirevision != other.yaxis.uirevision
    assert one.uirevision == other.uirevision
    assert loss_figure(history, View(smoothing=0.5)).layout.yaxis.uirevision == one.yaxis.uirevision


def test_the_first_step_can_be_seen_and_has_room(read):
    figure = loss_figure(read(step_lines(1, 1, 100)))
    assert [trace.mode for trace in figure.data] == ["lines+markers"] * 2
    alone = loss_figure(read(step_lines(1, 1, 100) + step_lines(2, 3, 100, loss=math.nan)))
    assert alone.data[0].mode == "lines+markers"
    assert figure.layout.xaxis.range == (-0.5, 10)
    longer = loss_figure(read(step_lines(1, 10, 100)))
    assert [trace.mode for trace in longer.data] == ["lines"] * 2
    assert longer.layout.xaxis.range is None
    assert longer.layout.xaxis.uirevision != figure.layout.xaxis.uirevision, "or plotly goes on to fit it to nothing"


def test_a_validation_before_the_first_step_is_named(read):
    figure = loss_figure(read(f"{stamp(0)} Validation: loss 0.9000 at step 0\n"))
    assert (figure.data[-1].name, figure.data[-1].y, figure.layout.showlegend) == ("validation", (0.9,), True)


def test_one_epoch_does_not_fill_the_picture(read):
    figure = epoch_figure(read(epochs(1, 20)))
    assert figure.layout.xaxis.range == (0.4, 6.6)
    assert epoch_figure(read(epochs(7, 5))).layout.xaxis.range is None


def test_every_trace_is_known_by_its_own_name_wherever_it_stands(read):
    few, many = loss_figure(read(step_lines(1, 30, 100))), loss_figure(read(epochs(3, 20)))
    names = [trace.uid for trace in many.data]
    assert len(set(names)) == len(names) > len(few.data)
    assert [trace.uid for trace in few.data] == ["each step", "smoothed"] == names[:2]


@pytest.mark.parametrize(("axis", "said"), [("epoch", "Its log names no epochs"), ("time", "Its log tells no times")])
def test_an_axis_of_which_the_log_says_nothing(read, axis, said):
    bars = "".join(f"steps:   1%|    | {step}/30 [99:99<00:27, 1.0it/s, loss=0.5000, lr=2e-04]\n" for step in range(1, 20))
    history = read(bars)
    assert loss_figure(history, View(axis)).layout.annotations[0].text == said
    assert len(loss_figure(history).data) == 2


def test_the_numbers_of_a_log_scale_are_whole(read):
    axis = loss_figure(read(epochs(2, 50)), View(is_log=True)).layout.yaxis
    assert (axis.tickformat, axis.dtick) == (".3~g", None)


def test_of_a_long_run_not_all_spikes_are_counted(read):
    log = "".join(step_lines(step, step, 3000, loss=9 if step % 500 == 250 else 0.5) for step in range(1, 3001))
    assert ", at least 6 spikes above " in note(loss_figure(read(log)))


def test_a_resumed_training_makes_no_zigzag(read):
    log = f"=== Attempt 1, {stamp(0)} ===\n" + step_lines(1, 90, 200)
    log += f"=== Attempt 2, {stamp(900)}, resumed from a-1-state ===\n{stamp(900)} Resuming: step 50 of 200\n"
    log += step_lines(51, 70, 200, loss=0.25).replace(stamp(102)[:13], stamp(3702)[:13])
    for axis in ("step", "time"):
        each, smooth, *_ = loss_figure(read(log), View(axis)).data
        assert list(each.x) == sorted(each.x)
        assert list(smooth.x) == sorted(smooth.x)
        assert each.y[-20:] == (0.25,) * 20
    assert each.x[-1] < 5, "the pause between both attempts is no training"


def test_means_of_many_steps_are_not_taken_for_the_loss_of_each(read):
    kohya = "".join(
        f"steps:  10%|#    | {step}/90 [00:{step:02d}<01:00,  1.00s/it, avr_loss=0.{90 - step}]\n" for step in range(1, 30)
    )
    figure = loss_figure(read(f"epoch 1/3\n{kohya}"))
    assert [trace.name for trace in figure.data] == ["mean so far", "smoothed"]
    assert note(figure) == "Its log has running means only, no step's own loss"
    assert note(epoch_figure(read(f"epoch 1/3\n{kohya}"))).endswith("one standard deviation of the means in its log.")


def test_what_is_dense_is_drawn_fainter(read):
    sparse, dense = loss_figure(read(epochs(30, 20))), loss_figure(read(epochs(90, 90)))
    assert (sparse.data[0].opacity, dense.data[0].opacity) == (0.22, 0.12)
    assert (sparse.data[2].mode, dense.data[2].mode) == ("lines+markers", "lines")


def test_the_picture_holds_the_smooth_line_and_the_validation_where_they_are_higher_than_most(read):
    log = "".join(step_lines(step, step, 900, loss=0.2 + 0.5 * (step < 15) + 9 * (step == 500)) for step in range(1, 800))
    figure = loss_figure(read(log + f"{stamp(0)} Validation: loss 0.7500 at step 799\n"))
    assert 0.75 < figure.layout.yaxis.range[1] < 1
    assert note(figure).endswith("1 spike above 0.85 cut off")
