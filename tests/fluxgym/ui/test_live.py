"""The refreshing part: drawn at once, with a timer, and a second timer that brings a page back after a restart."""

from streamlit.testing.v1 import AppTest

from fluxgym.ui.live import EVERY


def script() -> None:
    import streamlit as st

    from fluxgym.ui.live import live

    live(lambda: st.markdown("drawn"), key="test")


def test_it_is_drawn_and_asks_to_be_drawn_again() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert [part.value for part in page.markdown] == ["drawn"]
    timer = page.get("component_instance")[0].proto
    assert timer.component_name.endswith("st_autorefresh")
    assert f'"interval": {EVERY * 1000}' in timer.json_args
