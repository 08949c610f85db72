"""The Run page below its title. What it shows at each state: tests/pages/test_run.py; here when all is drawn anew."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.run.record import TRAINER, Attempt, Record, Verdict, write_record
from fluxgym.ui.run_view import TABS
from trainer.folder import RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, run_view

    st.session_state.runs = st.session_state.get("runs", 0) + 1
    face = ("an older state",) if st.session_state.runs == 1 else cards.find_face(cards.look_at(find_run("small")))
    st.session_state.with_settings = run_view.tab_in_view() == run_view.SETTINGS
    run_view.draw(find_run("small"), face, st.session_state.with_settings)


def test_another_state_draws_the_whole_page_anew(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.session_state.runs == 2
    assert page.get("button_group")[0].options == TABS


def test_the_settings_are_not_in_the_part_that_is_drawn_again(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.write_text("name = 1", encoding="utf-8")
    page = AppTest.from_function(script)
    page.query_params["tab"] = "Settings"
    page.run()
    assert not page.exception
    assert page.session_state.with_settings
    assert not page.code


def test_what_is_kept_of_a_failed_run_names_the_button_below_it(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.training_log.write_text("Loading\n", encoding="utf-8")
    attempt = Attempt(1, 1e9, ["python"], ended=2e9, verdict=Verdict("failed", "No image: 7.png.", "bad_image"))
    write_record(folder, Record("small", 1e9, ["python", *TRAINER], "failed", 2e9, attempts=[attempt]))
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert "Try again" in [button.label for button in page.button]
    assert 'Nothing was saved yet: "Try again" begins' in " ".join(part.value for part in page.markdown).replace("\\", "")
