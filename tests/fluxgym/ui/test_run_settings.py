"""The Settings tab: the choices for a run of ours, what it was started with; and that a choice is kept at once."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.run.care import NONE, Care, read_care
from fluxgym.run.status import read_status
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.run.status import read_status
    from fluxgym.ui import run_settings

    folder = find_run("small")
    run_settings.draw(folder, read_status(folder))


def open_settings() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def test_settings_are_shown_as_they_are_written(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.write_text('name = "small"\n# <b>\n', encoding="utf-8")
    page = open_settings()
    assert page.code[0].value == 'name = "small"\n# <b>'
    assert not page.toggle, "nobody guards a folder of another tool"
    folder.training_log.touch()
    folder.config.unlink()
    (folder.path / "train.log").touch()


def test_a_folder_without_settings_says_so(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.touch()
    assert "There is no config.toml" in open_settings().caption[-1].value


def test_choices_are_kept_while_it_runs(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> None:
    folder = start_small("--steps", "1000", "--pause", "0.02", care=Care(place=NONE, notify=False))
    wait_until(lambda: read_status(folder).pid)
    page = open_settings()
    assert [widget.label for widget in page.selectbox] == ["When it is stuck"], "where it trains is settled"
    assert [widget.label for widget in page.toggle] == ["Enable auto-monitoring", "Resume by itself after a crash", "Notify me"]
    page.selectbox[0].select("resume").run()
    assert "Kept, it holds from the supervisor's next look on." in page.caption[0].value
    page.toggle(key="care:small:resume_after_crash").set_value(True).run()
    page.number_input(key="care:small:most_resumes").set_value(5).run()
    page.toggle(key="care:small:notify").set_value(True).run()
    kept = read_care(folder)
    assert kept == Care(place=NONE, when_stalled="resume", resume_after_crash=True, most_resumes=5, notify=True)
    again = open_settings()
    assert again.selectbox[0].value == "resume"
    again.toggle(key="care:small:monitor").set_value(False).run()
    assert again.selectbox[0].disabled


def test_a_command_of_its_own_is_shown_with_its_folder(start_small: Callable[..., RunFolder]) -> None:
    folder = start_small()
    page = open_settings()
    assert f"small_training.py {folder.path}" in page.code[0].value
    assert "command of its own" in page.caption[-1].value
