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


def fed_script() -> None:
    from fluxgym.ui.chart import draw_fed_chart

    draw_fed_chart(("charts/a/learns?axis=step", "loss", "7.1"), "test", 200, "A line that rises.")


def test_a_figure_that_is_fetched_is_named_and_not_sent() -> None:
    page = AppTest.from_function(fed_script).run()
    assert not page.exception
    sent = json.loads(page.get("bidi_component")[0].proto.json)
    assert sent == {
        "url": "charts/a/learns?axis=step", "chart": "loss", "version": "7.1", "height": 200, "alt": "A line that rises.",
        "title": "",
    }  # fmt: skip
