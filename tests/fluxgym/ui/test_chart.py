"""A figure on its way to the browser; what the browser makes of it is tested in tests/browser."""

import json

from streamlit.testing.v1 import AppTest


def script() -> None:
    from fluxgym.ui.chart import draw_chart

    draw_chart(
        {"data": [{"type": "scatter", "x": [1, 2], "y": [3, 4], "name": "loss"}], "layout": {}},
        "test",
        200,
        "A line that rises.",
    )


def test_the_figure_its_height_and_its_words_arrive() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    sent = json.loads(page.get("bidi_component")[0].proto.json)
    assert (sent["height"], sent["alt"]) == (200, "A line that rises.")
    assert json.loads(sent["figure"])["data"][0]["name"] == "loss"
