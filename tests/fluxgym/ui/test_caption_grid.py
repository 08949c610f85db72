"""What the page is told of a data set: where its captions are, whatever their number."""

import json
from pathlib import Path

from PIL import Image
from streamlit.testing.v1 import AppTest

from trainer.mini import DATASET


def script() -> None:
    from pathlib import Path

    import streamlit as st

    from fluxgym.ui import caption_grid

    caption_grid.draw_captions(Path(st.session_state.place), "sks", 768)


def draw(place: Path) -> tuple[dict, list[str]]:
    page = AppTest.from_function(script)
    page.session_state.place = str(place)
    page.run()
    assert not page.exception
    return json.loads(page.get("bidi_component")[0].proto.json), [part.value for part in page.caption]


def test_the_page_holds_an_address_and_no_image(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number}.png")
    sent, said = draw(tmp_path)
    assert sent == {
        "place": str(tmp_path),
        "url": f"sets/board?place={str(tmp_path).replace('/', '%2F')}&resolution=768",
        "trigger": "sks",
        "height": "",
    }
    assert said == []


def test_what_came_with_us_is_only_looked_at() -> None:
    assert "only looked at" in draw(DATASET)[1][0]
