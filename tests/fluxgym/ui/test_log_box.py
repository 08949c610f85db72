"""Lines on their way to the browser; scrolling, selecting and copying are tested in tests/browser."""

import json

from streamlit.testing.v1 import AppTest


def script() -> None:
    from fluxgym.ui.log_box import draw_log

    draw_log(["one", "2026-11-24 10:15:00 ERROR <b>two</b>"], "test", "Training log", 200)


def test_lines_arrive_as_they_are() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    sent = json.loads(page.get("bidi_component")[0].proto.json)
    told = {"levels": {"1": "error"}, "label": "Training log", "height": 200, "empty": "No lines yet.", "wrap": False}
    assert sent == {"lines": ["one", "2026-11-24 10:15:00 ERROR <b>two</b>"], **told}
