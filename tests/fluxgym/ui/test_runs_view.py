"""The parts of the Runs page; most of them: tests/pages/test_runs.py."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from trainer.folder import RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import list_runs
    from fluxgym.ui import runs_view

    st.session_state.runs = st.session_state.get("runs", 0) + 1
    runs_view.draw_active([], 0 if st.session_state.runs == 1 else len(list_runs()))


def test_a_run_that_came_from_elsewhere_draws_the_whole_page_anew(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.session_state.runs == 2
    assert page.caption[0].value == "No training is under way."


def test_the_welcome_says_what_this_is() -> None:
    def welcome() -> None:
        from fluxgym.ui import runs_view

        runs_view.draw_welcome()

    page = AppTest.from_function(welcome).run()
    assert "FluxGym trains a LoRA of FLUX on your images" in page.markdown[0].value
    assert page.button[0].proto.type == "primary"
