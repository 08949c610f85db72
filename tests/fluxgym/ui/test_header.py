"""The first row of a page."""

from streamlit.testing.v1 import AppTest


def script() -> None:
    from fluxgym.ui.header import draw_header

    beside, right = draw_header("a *b*")
    beside.badge("Running")
    right.button("Stop")


def test_the_title_is_text_and_its_places_can_be_filled() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.title[0].value == r"a \*b\*"
    assert [button.label for button in page.button] == ["Stop"]
