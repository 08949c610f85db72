"""What the log panel is told by the page; all that it does with it is tested in tests/browser/test_log.py."""

import json

from streamlit.testing.v1 import AppTest

from fluxgym.ui.log_view import LINES
from fluxgym.view import log_news


def script() -> None:
    from fluxgym.ui.log_view import draw_view

    draw_view("a run", [("training", "This run"), ("monitor", "Monitor")], 2, True, 400)


def test_it_is_told_which_logs_there_are_and_no_line_of_them() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    (part,) = page.get("bidi_component")
    assert json.loads(part.proto.json) == {
        "run": "a run",
        "logs": [["training", "This run"], ["monitor", "Monitor"]],
        "attempts": 2,
        "ended": True,
        "height": 400,
    }


def test_each_number_of_lines_that_it_offers_is_given() -> None:
    assert (min(LINES), max(LINES)) == (100, log_news.MOST)
    assert all(log_news.parse({"lines": str(count)}).lines == count for count in LINES)
