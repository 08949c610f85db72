"""The parts about opened folders; how they work together: tests/pages/test_opened.py."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.view.opening import open_folder


def script() -> None:
    from fluxgym.run.folders import find_run, list_opened, list_runs
    from fluxgym.ui import opened_view

    for folder in list_runs():
        opened_view.draw_where(opened_view.look(folder))
    opened_view.draw_list(list_opened())
    for folder in list_opened():
        opened_view.draw_where(opened_view.look(find_run(folder.name)))


def test_paths_are_shown_as_text(outputs: Path, tmp_path: Path) -> None:
    path = tmp_path / "<b> :red[x] $y$"
    path.mkdir()
    (path / "a.safetensors").touch()
    open_folder(str(path))
    page = AppTest.from_function(script).run()
    assert not page.exception
    shown = [part.value for part in (*page.markdown, *page.caption)]
    assert not any("<b>" in text or ":red[x]" in text or "$y$" in text for text in shown)
    assert sum("Opened to be read" in text for text in shown) == 1


def test_of_a_run_of_ours_nothing_is_said(outputs: Path) -> None:
    (outputs / "a").mkdir()
    (outputs / "a" / "config.toml").touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert not page.caption
