"""The watch of a page: drawn once, and its script asks below the page's own path."""

from streamlit.testing.v1 import AppTest

from fluxgym.ui import component, live, watch


def test_it_is_drawn_and_says_nothing():
    page = AppTest.from_string("from fluxgym.ui import watch\nwatch.draw_watch()").run()
    assert not page.exception and not page.markdown


def test_its_script_asks_as_often_as_a_page_refreshes(monkeypatch):
    (script,) = [text for text in component._texts.values() if '"alive"' in text]
    assert "location.reload()" in script and "fluxgym-away" in script
    drawn = []
    monkeypatch.setattr(watch, "_mount", lambda **said: drawn.append(said["data"]))
    watch.draw_watch()
    assert drawn == [{"every": 1000 * live.EVERY}]
