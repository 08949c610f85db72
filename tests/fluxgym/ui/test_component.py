"""Components: what Streamlit is given is small, whatever the script; the script has an address of its own, for ever."""

import re
from types import SimpleNamespace

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fluxgym.ui import component


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Streamlit was told of the component that was declared last."""
    told: dict[str, str] = {}
    kind = SimpleNamespace(component=lambda name, **parts: told.update(name=name, **parts))
    monkeypatch.setattr(st.components, "v2", kind)
    return told


def test_a_script_is_fetched_and_not_sent(given: dict[str, str]) -> None:
    script = f"export default () => {{}}; // {'a long one ' * 1000} \u2191"
    component.declare("test", html="<i></i>\n", js=script, css='i { content: "</style>"; }')
    assert len(given["js"]) < 1200
    assert (given["name"], given["html"]) == ("test", "<i></i>\n")
    digest = re.search(r"code/(\w+)\.js", given["js"])
    assert digest
    client = TestClient(Starlette(routes=component.ROUTES))
    answer = client.get(f"/code/{digest[1]}.js")
    assert answer.text.endswith(script)
    assert r'textContent: "i { content: \"</style>\"; }"' in answer.text
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


def test_another_text_has_another_address(given: dict[str, str]) -> None:
    scripts = []
    for css in ("", "i {}", "i {}", "b {}"):
        component.declare("test", html="<i></i>\n", js="export default () => {};", css=css)
        scripts.append(given["js"])
    assert len(set(scripts)) == 3


def test_a_script_that_there_is_not_is_not_remembered() -> None:
    answer = TestClient(Starlette(routes=component.ROUTES)).get("/code/0123456789abcdef.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
