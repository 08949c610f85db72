"""A sweep on the Compare page: its table, the choice below it, the ways to it, and Stop all."""

from html import escape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.run.care import Care
from fluxgym.run.launch import wait_for_end
from fluxgym.run.record import Verdict, read_record
from fluxgym.run.status import read_status
from fluxgym.sweep.axis import read_axes
from fluxgym.sweep.begin import begin_sweep
from fluxgym.sweep.grid import plan_sweep, with_values
from fluxgym.sweep.mark import Mark, find_members, write_mark
from tests.conftest import wait
from tests.fluxgym.view.runs import failed as failed_with
from tests.fluxgym.view.runs import make_run, step_lines, tell_run, validations
from tests.pages.opened import open_page, press, told
from trainer.folder import RunFolder

FAILED = failed_with(None, 2, "other", "ValueError: <b>No such file</b>")
STOPPED = Verdict("stopped", "Stopped by you.", None, [], 1, 2, [])


def make(outputs: Path, rank: int, loss: float = 0.5, sweep: str = "s", verdict: Verdict | None = None) -> RunFolder:
    log = step_lines(1, 2, 2) + validations(loss, first=2) + "Training finished\n"
    folder = make_run(outputs / f"s-rank{rank}", "" if verdict else log, verdict)
    if not verdict:
        folder.record.unlink()  # one that FluxGym did not start is not looked after
    write_mark(folder, Mark(sweep, {"lora.rank": rank}))
    folder.config.write_text(f"[lora]\nrank = {rank}\n", encoding="utf-8")
    return folder


def table(page: AppTest) -> str:
    return "".join(part.proto.body for part in page.get("html") if "fluxgym-sweep" in part.proto.body)


def rows(page: AppTest) -> list[str]:
    return [part.partition("</a>")[0].rpartition(">")[2] for part in table(page).split("<tr")[2:]]


def test_all_runs_in_a_table_and_the_best_of_them_side_by_side(outputs: Path) -> None:
    for number in range(1, 9):
        make(outputs, number, loss=1 - number / 10)
    page = open_page("compare", sweep="s")
    assert page.title[0].value == "Sweep s"
    assert rows(page) == [f"s-rank{number}" for number in range(1, 9)]
    assert "8 runs: 8 completed." in told(page)
    assert "Best by validation loss: rank 8 (0.2000)." in told(page)
    assert "s-rank8</a> (best)" in table(page)
    assert page.multiselect[0].value == [f"s-rank{number}" for number in range(8, 2, -1)]
    page.segmented_control(key="sweep-order").set_value("Best first").run()
    assert not page.exception
    assert rows(page) == [f"s-rank{number}" for number in range(8, 0, -1)]
    page.multiselect[0].set_value(["s-rank1", "s-rank2"]).run()
    address = page.query_params["runs"]
    assert (address if isinstance(address, str) else address[0]) == "s-rank1,s-rank2"
    assert open_page("compare", sweep="s", runs="s-rank3,s-rank4").multiselect[0].value == ["s-rank3", "s-rank4"]


def test_a_sweep_that_is_not_there(outputs: Path, hostile_name: str) -> None:
    make(outputs, 1)
    page = open_page("compare", sweep=hostile_name or "gone")
    assert "No run of a sweep" in told(page)
    assert not page.multiselect


def test_hostile_settings_are_only_text(outputs: Path) -> None:
    folder = make(outputs, 1)
    make(outputs, 2)
    folder.config.write_text('[lora]\nrank = "<script>alert(1)</script>"\n', encoding="utf-8")
    assert "<script>" not in table(open_page("compare", sweep="s"))


def test_one_that_failed_says_why(outputs: Path) -> None:
    make(outputs, 1)
    folder = make(outputs, 2, verdict=FAILED)
    make(outputs, 3, verdict=STOPPED)
    html = table(open_page("compare", sweep="s"))
    failed, stopped = html.split("<tr")[3:5]
    reason = tell_run(folder).sentence
    assert "<b>No such file</b>" in reason
    assert f'<span class="failed">Failed</span><div class="why">{escape(reason)}</div>' in failed
    assert 'class="failed"' not in stopped


def test_the_ways_to_it(outputs: Path) -> None:
    for number, verdict in ((1, None), (2, FAILED), (3, STOPPED)):
        make(outputs, number, verdict=verdict)
    runs = open_page("runs")
    assert "Sweep **s**, 3 runs: 1 stopped, 1 failed, 1 unknown." in told(runs)
    assert press(runs, "Compare the sweep").title[0].value == "Sweep s"
    make_run(outputs / "other").record.unlink()
    page = press(open_page("run", run="s-rank1"), "Compare the sweep")
    assert page.title[0].value == "Sweep s"
    assert "Compare the sweep" not in [button.label for button in open_page("run", run="other").button]
    page = press(open_page("compare", runs="s-rank1,s-rank2"), "Compare the whole sweep")
    assert page.title[0].value == "Sweep s"
    assert len(rows(page)) == 3
    labels = [button.label for button in open_page("compare", runs="s-rank1,other").button]
    assert "Compare the whole sweep" not in labels


@pytest.mark.usefixtures("outputs")
def test_one_that_waits_one_that_trains_and_stop_all() -> None:
    base = with_values(form.to_config(form.demo_values()), {"name": "s", "model.base": "/none"})
    list(begin_sweep("s", plan_sweep(base, read_axes(["rank=2,4,8"]), lambda config: None), Care()))
    members = find_members("s")
    wait(lambda: sum(read_status(folder).queue is not None for folder in members) == 2)
    runs = open_page("runs")
    assert "2 waiting" in told(runs)
    assert press(runs, "Compare the sweep").title[0].value == "Sweep s"
    page = open_page("compare", sweep="s")
    assert "waiting" in told(page)
    press(page, "Stop all")
    assert "leave" in told(page)
    page.button(key="stop-all-confirmed").click().run()
    assert not page.exception
    assert {wait_for_end(folder, 60).state for folder in members} <= {"stopped", "failed"}
    page.run()
    assert "Stop all" not in [button.label for button in page.button]
    press(page, "Resume all")
    assert not page.exception
    assert {read_record(folder).attempts[-1].number for folder in members} == {2}
