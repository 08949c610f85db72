"""The Runs page: a newcomer, runs under way, runs that ended, many runs, and names that are not ours."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgym.run.launch import wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from fluxgym.ui.cards import look_at
from tests.benchmarks.many_folders import make_folders
from tests.conftest import HOSTILE_NAMES
from tests.pages.opened import open_page, press, primary, told
from trainer.folder import RunFolder


def test_a_newcomer_finds_the_demo(outputs: Path) -> None:
    page = open_page("runs")
    assert page.title[0].value == "Active Training Sessions"
    assert "FluxGym trains a LoRA of FLUX on your images" in told(page)
    assert primary(page) == ["Try the demo"]
    press(page, "Try the demo")
    assert page.title[0].value == "New training"
    assert page.text_input(key="form:name").value == "demo"


def test_a_run_under_way(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> None:
    folder = start_small("--steps", "100000", "--pause", "0.02", name="small")
    wait_until(lambda: (history := look_at(folder).history).eta_seconds and history.points > 20)
    page = open_page("runs")
    assert "small" in told(page)
    assert ":material/play_circle: Running" in told(page)
    assert "of 100,000, epoch 1 of 1. About" in page.get("progress")[0].proto.text.replace("\\", "")
    assert page.metric[0].label == "Loss, epoch mean"
    assert len(page.metric[0].proto.chart_data) > 10
    assert "last line 0 s ago" in told(page)
    assert primary(page) == ["New training"]
    assert {"Open", "Stop"} <= {button.label for button in page.button}
    press(page, "Stop")
    assert "**small** finishes the step under way, saves its state and ends" in told(page)
    assert read_status(folder).is_active, "it only asked"


def test_its_address_names_no_run(outputs: Path) -> None:
    assert "run" not in open_page("runs", run="demo").query_params


def test_open_leads_to_the_run(start_small: Callable[..., RunFolder]) -> None:
    wait_for_end(start_small(name="small"), 30)
    page = press(open_page("runs"), "Open")
    assert page.title[0].value == "small"
    assert page.query_params["run"] in ("small", ["small"])


def test_a_supervisor_that_was_killed_is_replaced_at_the_next_look(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    folder = start_small("--steps", "100000", "--pause", "0.02")
    wait_until(lambda: read_status(folder).pid)
    first = read_record(folder).supervisor
    first.signal(signal.SIGKILL)
    wait_until(lambda: read_status(folder).needs_supervisor)
    page = open_page("runs")
    assert ":material/play_circle: Running" in told(page)
    wait_until(lambda: (now := read_record(folder).supervisor) and now != first and now.alive())


def test_runs_that_ended_are_below(start_small: Callable[..., RunFolder]) -> None:
    wait_for_end(start_small(name="good"), 30)
    wait_for_end(start_small("--end-at", "3", "--code", "1", name="bad"), 30)
    page = open_page("runs")
    assert [part.value for part in page.subheader] == ["Earlier"]
    assert "No training is under way" in told(page)
    assert ":material/check_circle: Completed" in told(page)
    assert ":material/error: Failed" in told(page)
    assert primary(page) == ["New training"]


def test_many_runs_are_a_table_with_a_filter(outputs: Path) -> None:
    for number in range(25):
        folder = RunFolder(outputs / f"run-{number:02d}")
        folder.path.mkdir()
        folder.training_log.write_text("steps:  50%|#####     | 5/10 [00:01<00:01, 5.00it/s, loss=0.5]\n", encoding="utf-8")
    page = open_page("runs")
    assert len(page.dataframe[0].value) == 25
    assert list(page.dataframe[0].value)[:3] == ["Run", "State", "How it ended"]
    page.text_input(key="filter").set_value("N-1").run()
    assert sorted(page.dataframe[0].value["Run"]) == [f"run-1{number}" for number in range(10)]
    assert "10 of 25 runs" in told(page)


def test_very_many_runs_are_chosen_and_sorted_among_all_and_sent_by_pages(outputs: Path) -> None:
    folders = make_folders(outputs, 250)
    names = [folder.name for folder in reversed(folders)]
    page = open_page("runs")
    assert list(page.dataframe[0].value["Run"]) == names[:100]
    assert "1 to 100 of 250 runs. Tick one to open it; the head of a column sorts these rows." in told(page)
    page.session_state["page:3::[]:Ended last"] = 3
    page.run()
    assert list(page.dataframe[0].value["Run"]) == names[200:]
    assert "201 to 250 of 250 runs" in told(page)
    page.selectbox(key="order").set_value("Name").run()
    assert list(page.dataframe[0].value["Run"]) == sorted(names)[:100], "another order begins at its first page"
    states = page.button_group(key="states")
    assert "\u2715 Failed 42" in states.options
    page.button_group(key="states").set_value(["failed"]).run()
    assert {*page.dataframe[0].value["State"]} == {"\u2715 Failed"}
    assert len(page.dataframe[0].value) == 42
    page.text_input(key="filter").set_value("ROBOT").run()
    count = len(page.dataframe[0].value)
    assert [name.split("-")[0] for name in page.dataframe[0].value["Run"]] == ["robot"] * count
    assert f"\u2715 Failed {count}" in page.button_group(key="states").options, "counted among those of the name"
    page.text_input(key="filter").set_value("no such run").run()
    assert "None of the 250 runs fits. The filter looks for a part of a name." in told(page)
    assert not page.dataframe, "an empty table says nothing"


def test_what_was_chosen_is_there_again_after_a_run_was_opened(outputs: Path) -> None:
    make_folders(outputs, 50)
    page = open_page("runs")
    page.text_input(key="filter").set_value("robot").run()
    page.selectbox(key="order").set_value("Name").run()
    page.button_group(key="states").set_value(["completed"]).run()
    shown = list(page.dataframe[0].value["Run"])
    for other in ("models", "runs"):
        page.switch_page(f"pages/{other}.py").run()
    assert list(page.dataframe[0].value["Run"]) == shown
    assert page.text_input(key="filter").value == "robot" and page.selectbox(key="order").value == "Name"


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES.values() if re.fullmatch(r"[^/.\0][^/\0]{0,200}", name)])
def test_folders_with_any_name_are_shown_as_text(outputs: Path, name: str) -> None:
    folder = RunFolder(outputs / name)
    folder.path.mkdir()
    folder.training_log.write_text("<b>x</b> $a$ :red[b]\n", encoding="utf-8")
    assert " ".join(name.split()) in told(open_page("runs"))
    assert " ".join(name.split()) in told(open_page("run", run=name))


def test_a_name_that_no_page_can_show_is_left_out(outputs: Path) -> None:
    for name in (b"robot", b"r\xf6bot"):
        folder = outputs / os.fsdecode(name)
        folder.mkdir()
        (folder / "training.log").write_text("2026-11-24 10:00:00 Training: 10 steps, 2 epochs\n")
    assert "**robot**" in told(open_page("runs"))
    assert open_page("run").title[0].value == "robot"
    assert open_page("run", run="r?bot").title[0].value == "No such run"
    assert not open_page("compare").exception
