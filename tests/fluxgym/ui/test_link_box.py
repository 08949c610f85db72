"""An address on its way to the browser; copying it is tested in tests/browser."""

import json

from streamlit.testing.v1 import AppTest

URL = "https://gpu.example.org/s/token/"


def script() -> None:
    from fluxgym.ui.link_box import draw_link

    draw_link("https://gpu.example.org/s/token/", "<b>robot</b>", "test")


def test_the_address_and_its_code_arrive() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    sent = json.loads(page.get("bidi_component")[0].proto.json)
    assert (sent["url"], sent["title"]) == (URL, "<b>robot</b>")
    assert sent["svg"].startswith("<svg ")
