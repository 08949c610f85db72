"""The parts of the Compare page; how they work together: tests/pages/test_compare.py and tests/browser/test_compare.py."""

from pathlib import Path

from streamlit.testing.v1 import AppTest


def script() -> None:
    from fluxgym.run.folders import list_runs
    from fluxgym.ui import compare_view

    chosen = compare_view.choose()
    compare_view.draw(chosen or list_runs(), False)


def make(outputs: Path, name: str, rank: int) -> None:
    (outputs / name).mkdir()
    (outputs / name / "config.toml").write_text(f"[lora]\nrank = {rank}\n", encoding="utf-8")


def test_runs_without_a_step_and_without_samples_can_be_compared(outputs: Path) -> None:
    make(outputs, "a", 4)
    make(outputs, "b", 16)
    page = AppTest.from_function(script).run()
    assert not page.exception
    table = page.get("html")[0].proto.body
    assert '<td class="">4</td>' in table
    assert '<td class="">16</td>' in table
    assert not page.select_slider, "there is no sample to choose"


def test_runs_that_are_set_alike_say_so(outputs: Path) -> None:
    make(outputs, "a", 4)
    make(outputs, "b", 4)
    page = AppTest.from_function(script).run()
    assert [part.value for part in page.caption] == ["No setting that is known of at least two of them differs."]


def test_settings_that_nobody_says_are_told_as_unknown(outputs: Path) -> None:
    make(outputs, "a", 4)
    (outputs / "b").mkdir()
    (outputs / "b" / "train.log").write_text("epoch 1/4\n", encoding="utf-8")
    page = AppTest.from_function(script).run()
    assert [part.value for part in page.caption] == ["Nothing in the folder says the settings of b\\."]
