"""The Run page below its title. What it shows at each state: tests/pages/test_run.py; here the settings and a changed state."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.ui.run_view import TABS
from trainer.folder import RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, run_view

    st.session_state.runs = st.session_state.get("runs", 0) + 1
    label = "an older state" if st.session_state.runs == 1 else cards.look_at(find_run("small")).summary.label
    run_view.draw(find_run("small"), label)


def test_another_state_draws_the_whole_page_anew(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.session_state.runs == 2
    assert page.get("button_group")[0].options == TABS


def test_settings_are_shown_as_they_are_written(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.write_text('name = "small"\n# <b>\n', encoding="utf-8")
    page = AppTest.from_function(script)
    page.query_params["tab"] = "Settings"
    page.run()
    assert page.code[0].value == 'name = "small"\n# <b>'
    folder.training_log.touch()
    folder.config.unlink()
    assert "There is no config.toml" in page.run().caption[-1].value
