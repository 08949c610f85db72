"""What the page is told of the place to drop files on. What it does with them: tests/browser/test_upload.py."""

import json

from streamlit.testing.v1 import AppTest


def script() -> None:
    from fluxgym.ui.dropzone import draw_dropzone

    draw_dropzone("datasets/cat", "to datasets/cat", "drop", lambda: None)


def test_it_is_told_where_files_go_and_nothing_else() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert json.loads(page.get("bidi_component")[0].proto.json) == {"target": "datasets/cat", "where": "to datasets/cat"}
