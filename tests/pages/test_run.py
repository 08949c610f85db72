"""The Run page: under way, completed, failed, stopped, of another tool, unknown; its tabs; logs and names that are hostile."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.status import read_status
from fluxgym.ui import chart_feed
from tests.pages.opened import open_page, press, primary, told
from trainer.config import dump_config, load_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

MARKUP = "<script>alert(1)</script> $x$ :red[y] [z](javascript:1) \x1b[31mred\x1b[0m"


def sent(page: AppTest, kind: str) -> list[dict]:
    """What the page's charts (chart) or logs (lines) are given."""
    return [data for part in page.get("bidi_component") if kind in (data := json.loads(part.proto.json))]


def with_open_logs(page: AppTest) -> AppTest:
    """The page after somebody has opened both logs."""
    for log in ("training", "monitor"):
        page.session_state[f"expander:{log}"] = True
    return page.run()


def test_without_any_run_it_shows_the_way(outputs: Path) -> None:
    page = open_page("run")
    assert page.title[0].value == "No run yet"
    assert primary(page) == ["Try the demo"]
    press(page, "Try the demo")
    assert page.title[0].value == "New training"
    assert page.text_input(key="form:name").value == "demo"


def test_an_unknown_run_is_told_with_the_names_near_it(start_small: Callable[..., RunFolder]) -> None:
    wait_for_end(start_small(name="robot"), 30)
    page = open_page("run", run="robto")
    assert page.title[0].value == "No such run"
    assert "Got the run 'robto'" in told(page)
    assert "did you mean robot?" in told(page)
    assert primary(page) == ["Show all runs"]
    press(page, "Show all runs")
    assert page.title[0].value == "Active Training Sessions"


def test_a_hostile_name_in_the_address_finds_nothing(outputs: Path, hostile_name: str) -> None:
    page = open_page("run", run=hostile_name)
    assert page.title[0].value == ("No such run" if hostile_name else "No run yet")


def test_a_run_under_way(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> None:
    folder = start_small("--steps", "100000", "--pause", "0.02", name="small")
    wait_until(
        lambda: "30/100000" in folder.training_log.read_text(encoding="utf-8") if folder.training_log.exists() else False
    )
    page = open_page("run", run="small")
    assert page.title[0].value == "small"
    assert ":material/play_circle: Running" in told(page)
    assert [number.label for number in page.metric] == [
        "Time left",
        "Loss, epoch mean",
        "Validation",
        "Pace",
        "Learning rate",
        "Last line",
    ]
    assert primary(page) == []
    assert [button.label for button in page.button] == ["Stop", "Share"]
    drawn = TestClient(Starlette(routes=chart_feed.ROUTES)).get(sent(page, "chart")[0]["url"]).json()
    assert 30 in drawn["lists"]["0"][1]
    assert [data["chart"] for data in sent(page, "chart")] == ["loss", "epochs", "pace", "rate", "machine"]
    panels = {panel.label: panel for panel in page.expander}
    assert list(panels) == ["Training Log (Persisted)", "Monitor Status & Logs"]
    assert not any(panel.proto.expanded for panel in panels.values())
    assert sent(page, "lines") == [], "what is closed costs nothing"
    training, monitor = sent(with_open_logs(page), "lines")
    assert "steps: " in training["lines"][-1]
    assert len(training["lines"]) <= 100
    assert any("started the training" in line for line in monitor["lines"])
    stop_run(folder, wait=30)
    page.run()
    assert ":material/stop_circle: Stopped" in told(page)
    assert primary(page) == ["Resume"]
    press(page, "Resume")
    assert read_status(folder).is_active


def test_a_completed_run_gives_its_lora(start_small: Callable[..., RunFolder]) -> None:
    wait_for_end(start_small(name="small"), 30)
    page = open_page("run", run="small", tab="Checkpoints")
    assert ":material/check_circle: Completed" in told(page)
    link = page.get("link_button")[0].proto
    assert (link.label, link.url) == ("Download the LoRA", "files/small/loras/small.safetensors")
    assert [data["url"] for data in sent(page, "version")] == ["files/small/board"]


def test_again_brings_a_run_s_settings_under_a_name_that_is_free(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small(name="small")
    wait_for_end(folder, 30)
    folder.config.write_text(dump_config(load_config(DEMO).model_copy(update={"name": "small"})), encoding="utf-8")
    page = press(open_page("run", run="small"), "Another like this")
    assert page.title[0].value == "New training"
    assert page.text_input(key="form:name").value == "small-2"
    assert page.metric[0].value == "300"


def test_a_failed_run_says_what_why_and_what_can_be_done(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small("--end-at", "3", "--code", "1", name="small")
    wait_for_end(folder, 30)
    page = open_page("run", run="small")
    assert ":material/error: Failed" in told(page)
    assert "at step 3 of 5" in told(page)
    assert "Exit code 1" in told(page)
    quoted = sent(page, "lines")[0]
    assert quoted["label"] == "Last lines of training.log"
    assert "3/5" in quoted["lines"][-1]
    assert "Resume starts the command again, from its beginning." in told(page)
    assert primary(page) == ["Resume"]


def test_the_log_of_another_tool_is_shown_under_its_own_name(outputs: Path) -> None:
    folder = RunFolder(outputs / "theirs")
    folder.path.mkdir()
    bar = "steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.12]"
    (folder.path / "train.log").write_text(f"{bar}\n", encoding="utf-8")
    page = with_open_logs(open_page("run", run="theirs"))
    assert "Its log ends at step 20 of 40" in told(page)
    assert bar in [line for log in sent(page, "lines") for line in log["lines"]]


@pytest.mark.parametrize("tab", ["Progress", "Samples", "Checkpoints", "Log", "Settings", "Nonsense"])
def test_each_tab_opens_by_its_address(outputs: Path, tab: str) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text(f"{MARKUP}\n", encoding="utf-8")
    folder.config.write_text(f'name = "{MARKUP.splitlines()[0][:20]}"', encoding="utf-8")
    page = open_page("run", run="small", tab=tab)
    assert page.title[0].value == "small"
    chosen = page.get("button_group")[0].value
    assert chosen == (tab if tab != "Nonsense" else "Progress")


def test_what_a_log_says_is_never_markup(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text(f"{MARKUP}\n", encoding="utf-8")
    page = with_open_logs(open_page("run", run="small"))
    training, monitor = sent(page, "lines")
    assert training["lines"] == ["<script>alert(1)</script> $x$ :red[y] [z](javascript:1) red"]
    assert monitor["lines"] == []
    assert "<script>" not in told(page)


def test_of_logs_the_page_is_told_which_there_are(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text(f"{MARKUP}\n", encoding="utf-8")
    (data,) = sent(open_page("run", run="small", tab="Log"), "logs")
    assert (data["run"], [key for key, _ in data["logs"]]) == ("small", ["training", "monitor"])


def test_of_samples_the_page_is_told_their_version_alone(outputs: Path) -> None:
    from PIL import Image

    folder = RunFolder(outputs / "small")
    folder.samples.mkdir(parents=True)
    prompt = '\\"><img src=x onerror=alert(1)>'
    folder.config.write_text(f'name = "small"\n[sample]\nprompts = ["{prompt}"]\n', encoding="utf-8")
    Image.new("RGB", (32, 32)).save(folder.samples / "small_e000000_00_20261124101502_42.png")
    page = open_page("run", run="small", tab="Samples")
    (data,) = sent(page, "version")
    assert data["url"] == "files/small/grid"
    assert prompt not in json.dumps(data)
