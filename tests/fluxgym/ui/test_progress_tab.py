"""The charts of a run: what each is told to fetch, and that what a person chose is in it."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.old_logs import archive_log
from fluxgym.run.record import Attempt, Record, Verdict, write_record
from fluxgym.ui.chart_feed import chart_url
from fluxgym.view.charts import View
from trainer.folder import RunFolder

LINE = "2026-11-24 10:00:00 steps:  1%|     | 1/9 [00:00<00:27, 11.00it/s, loss=0.4000, lr=2e-04]\n"


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, progress_tab

    progress_tab.draw(cards.look_at(find_run("small")))


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    made = RunFolder(outputs / "small")
    made.path.mkdir()
    made.training_log.write_text(LINE, encoding="utf-8")
    return made


def charts(page: AppTest) -> dict[str, dict]:
    assert not page.exception
    sent = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return {data["chart"]: data for data in sent if "chart" in data}


def test_every_chart_fetches_its_figures_and_nothing_else_is_sent(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    found = charts(page)
    assert list(found) == ["loss", "epochs", "pace", "rate", "machine"]
    assert found["loss"]["url"] == chart_url("small", "learns", View())
    assert found["machine"]["url"] == chart_url("small", "runs", View())
    assert all(len(json.dumps(data)) < 300 for data in found.values())
    version = found["loss"]["version"]
    with folder.training_log.open("a") as log:
        log.write(LINE.replace(" 1/9", " 2/9"))
    assert charts(page.run())["loss"]["version"] != version


def test_what_is_chosen_is_in_each_address(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    page.slider(key="smoothing").set_value(0.5)
    page.toggle(key="log").set_value(True)
    page.toggle(key="clip").set_value(False)
    page.get("button_group")[0].set_value("time")
    found = charts(page.run())
    view = View("time", 0.5, is_log=True, clips=False)
    assert found["loss"]["url"] == chart_url("small", "learns", view)
    assert found["pace"]["url"] == chart_url("small", "runs", view)


def test_the_page_says_how_little_one_step_says(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    assert any("The loss of one step says little" in part.value for part in page.caption)


def test_what_a_monitor_saw_names_the_chart(folder: RunFolder) -> None:
    assert charts(AppTest.from_function(script).run())["machine"]["title"] == "Machine"
    folder.monitor_log.write_text("2026-11-24 10:00:00 state running, step 1/9, gpu 0 use 98%\n", encoding="utf-8")
    assert charts(AppTest.from_function(script).run())["machine"]["title"] == "GPU"


def captions(page: AppTest) -> list[str]:
    return [part.value.replace("\\", "") for part in page.caption]


def end(folder: RunFolder, verdict: Verdict) -> None:
    attempt = Attempt(1, 1e9, ["python"], ended=2e9, verdict=verdict)
    write_record(folder, Record("small", 1e9, ["python"], verdict.state, 2e9, attempts=[attempt]))


def test_an_ended_run_shows_only_charts_that_have_something_to_show(folder: RunFolder) -> None:
    end(folder, Verdict("failed", "It broke.", "other", [], 1, 9))
    page = AppTest.from_function(script).run()
    assert list(charts(page)) == ["loss", "epochs", "rate"], "no pace after one step, and no monitor"
    folder.training_log.write_text("2026-11-24 10:00:00 Loading\n", encoding="utf-8")
    page = AppTest.from_function(script).run()
    assert charts(page) == {}
    assert "There is no curve to show. Its log names no step." in captions(page)
    folder.monitor_log.write_text("2026-11-24 10:00:00 state running, before the first step, gpu 0 use 98%\n", encoding="utf-8")
    assert list(charts(AppTest.from_function(script).run())) == ["machine"]


def test_a_run_whose_log_was_archived_shows_no_old_curve(folder: RunFolder) -> None:
    end(folder, Verdict("completed", "All is done.", None, [], 9, 9))
    assert "loss" in charts(AppTest.from_function(script).run())
    archived = archive_log(folder)
    page = AppTest.from_function(script).run()
    assert charts(page) == {}
    (told,) = [told for told in captions(page) if "There is no curve to show. Its log was archived on " in told]
    assert f"logs/{archived.path.name}/" in told
