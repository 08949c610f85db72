"""How a run runs, as figures that plotly takes."""

import json

import plotly.graph_objects as go
import pytest

from fluxgym.log.history import History
from fluxgym.view import machine
from fluxgym.view.charts import View
from fluxgym.view.health import Health

from .runs import stamp, step_lines
from .test_health import evidence


@pytest.fixture
def read(tmp_path):
    def read(log, monitor=""):
        (tmp_path / "a.log").write_text(log)
        (tmp_path / "monitor.log").write_text(monitor)
        history, health = History(tmp_path / "a.log"), Health(tmp_path / "monitor.log")
        history.update()
        health.update()
        return history, health

    return read


def checked(figure):
    return go.Figure(json.loads(json.dumps(figure, allow_nan=False)))


def note(figure):
    return figure.layout.meta["note"]


def test_the_rate_goes_on_to_the_last_step(read):
    history, _ = read(step_lines(1, 5, 20) + step_lines(6, 9, 20).replace("lr=2e-04", "lr=1e-04"))
    (trace,) = checked(machine.rate_figure(history, View())).data
    assert (trace.x, trace.y, trace.line.shape) == ((1, 6, 9), (2e-4, 1e-4, 1e-4), "hv")


def test_the_pace_and_a_step_that_took_for_ever(read):
    log = step_lines(1, 100, 300, pace=2.0)
    steady = checked(machine.pace_figure(read(log)[0], View()))
    assert (set(steady.data[0].y), steady.layout.yaxis.range) == ({2.0}, (0, 2.1))
    slow = read(log + step_lines(129, 129, 300).replace(" 129/", " 101/") + step_lines(130, 160, 300))[0]
    figure = checked(machine.pace_figure(slow, View()))
    assert max(figure.data[0].y) > 4
    assert note(figure).startswith("1 spike above ")
    assert figure.layout.yaxis.range[1] < max(figure.data[0].y)
    assert note(checked(machine.pace_figure(slow, View(clips=False)))) == ""


def test_a_gpu_in_percent_of_its_memory(read):
    history, health = read(step_lines(1, 20, 30), evidence(10, memory=12_288) + evidence(20, memory=24_576))
    memory, use, temperature = checked(machine.machine_figure(history, health, View())).data
    assert (memory.name, memory.x, memory.y) == ("memory", (10, 20), (50, 100))
    assert (use.y, temperature.y) == ((98, 98), (71, 71))


def test_more_gpus_have_their_number(read):
    both = evidence(10).rstrip() + ", gpu 3 use 7%\n"
    figure = checked(machine.machine_figure(*read(step_lines(1, 20, 30), both), View()))
    assert [trace.name for trace in figure.data][::3] == ["0 memory", "3 memory"]
    assert figure.data[4].y == (7,)


def test_a_machine_without_a_gpu_shows_its_cpu(read):
    line = f"{stamp(0)} state running, health well, step 5/30, cpu 150%, memory 2,048 MiB in 3 processes\n"
    cpu, memory = checked(machine.machine_figure(*read(step_lines(1, 20, 30), line), View())).data
    assert ((cpu.name, cpu.y), (memory.name, memory.y)) == (("CPU cores", (1.5,)), ("memory, GiB", (2.0,)))


def test_what_is_not_known_is_said(read):
    history, health = read("")
    said = [
        checked(figure).layout.annotations[0].text
        for figure in (
            machine.rate_figure(history, View()),
            machine.pace_figure(history, View()),
            machine.machine_figure(history, health, View()),
        )
    ]
    assert said == ["No step so far", "Known after 10 s of steps", "The monitor has seen nothing so far"]


def test_a_log_with_steps_but_no_learning_rate(read):
    history, _ = read(step_lines(1, 20, 30).replace(", lr=2e-04", ""))
    assert checked(machine.rate_figure(history, View())).layout.annotations[0].text == "Its log names no learning rate"


def test_a_training_that_went_back_makes_no_zigzag(read):
    monitor = evidence(10, cpu=10) + evidence(20) + evidence(30) + evidence(20, memory=2000) + evidence(25)
    history, health = read(step_lines(1, 30, 60), monitor)
    memory, _, _ = checked(machine.machine_figure(history, health, View())).data
    assert memory.x == (10, 20, 25)
    assert memory.y[1] == pytest.approx(100 * 2000 / 24_576, abs=0.01)


def test_what_was_seen_during_one_step_is_one_point(read):
    monitor = evidence(10, memory=12_288) + evidence(10, memory=0) + evidence(11, memory=0)
    memory, _, _ = checked(machine.machine_figure(*read(step_lines(1, 20, 30), monitor), View())).data
    assert (memory.x, memory.y) == ((10, 11), (25, 0))


@pytest.mark.parametrize(
    ("axis", "step", "x", "end"), [("step", 0, 0, 30), ("step", 20, 20, 30), ("time", 0, 0, 1), ("time", 29, 0.933, 1)]
)
def test_a_single_point_is_shown_within_the_run(read, axis, step, x, end):
    """plotly showed steps -1 to 1, and CPU and memory from 0 to 0.01."""
    seen = f"{stamp(0)} state running, step {step}/30, cpu 0%, memory 8 MiB\n"
    cpu, memory = (figure := checked(machine.machine_figure(*read(step_lines(1, 30, 30), seen), View(axis)))).data
    assert (cpu.x, cpu.y, memory.y) == ((x,), (0,), (0.01,))
    assert figure.layout.xaxis.range == pytest.approx((-end / 20, 1.05 * end))
    assert figure.layout.yaxis.range == (0, 1)
    more = checked(machine.machine_figure(*read(step_lines(1, 30, 30), seen + evidence(30, cpu=420)), View(axis))).layout
    assert more.xaxis.uirevision != figure.layout.xaxis.uirevision, "that range does not stay"


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (2e-4, [0, 1e-4, 2e-4]),
        (1e-4, [0, 5e-5, 1e-4]),
        (3e-5, [0, 1e-5, 2e-5, 3e-5]),
        (9.9e-4, [0, 5e-4, 1e-3]),
        (0, [0]),
        (1e300, None),
    ],
)
def test_rates_are_told_in_even_steps(top, ticks):
    found = machine.find_ticks(top)
    assert ticks is None or found == pytest.approx(ticks)
    assert 1 <= len(found) <= 4
    assert found[-1] <= 1.05 * top


def test_a_rate_is_written_as_everywhere(read):
    axis = checked(machine.rate_figure(read(step_lines(1, 5, 20))[0], View())).layout.yaxis
    assert axis.ticktext == ("0", "1e-04", "2e-04")


@pytest.mark.parametrize(("axis", "said"), [("epoch", "Its log names no epochs"), ("time", "Its log tells no times")])
def test_an_axis_of_which_the_log_says_nothing(read, axis, said):
    bars = "".join(f"steps:   1%|    | {step}/30 [99:99<00:27, 1.0it/s, loss=0.5000, lr=2e-04]\n" for step in range(1, 20))
    history, health = read(bars, evidence(10))
    assert len(history.steps) == 19
    for figure in (
        machine.rate_figure(history, View(axis)),
        machine.pace_figure(history, View(axis)),
        machine.machine_figure(history, health, View(axis)),
    ):
        assert checked(figure).layout.annotations[0].text == said
