"""A machine without models, tokens, or a home of whoever runs the tests; and forms of pages, sent."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.models.token import VARIABLES

STORE, ADD, DOWNLOAD = (f"FormSubmitter:{form}" for form in ("store-token-Store", "add-place-Add", "download-other-Download"))


def make_empty(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Returns where the Hub's library would keep its things."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN_PATH", *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    monkeypatch.setattr("fluxgym.models.shelf.models_root", lambda: folder / "models")
    return folder / "hf"


def send(page: AppTest, field: str, text: str, button: str) -> AppTest:
    """Types into a form's field and sends it."""
    page.text_input(key=field).set_value(text)
    page.button(key=button).click().run()
    assert not page.exception, page.exception
    return page
