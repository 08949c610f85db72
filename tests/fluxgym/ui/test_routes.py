"""Addresses of pages and files: relative, quoted, and remembered when a switch of pages drops the query."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.ui import routes


@pytest.mark.parametrize("path", [routes.LOGO, routes.ICON])
def test_pictures_are_there(path: str) -> None:
    assert Path(path).read_text(encoding="utf-8").startswith("<svg")


def test_no_name_leaves_its_place_in_an_address(hostile_name: str) -> None:
    *_, run, kind, file = routes.file_url(hostile_name, "logs", hostile_name).split("/")
    assert (kind, run) == ("logs", file)
    assert not set(run) & set(" \"'<>?#&;\n\0")


def script() -> None:
    import streamlit as st

    from fluxgym.ui import routes

    st.text(routes.run_in_view())
    if st.button("show"):
        routes.show_run("robot")
    if st.button("forget"):
        routes.forget_run()


def test_the_run_in_view_is_remembered_without_its_address() -> None:
    page = AppTest.from_function(script)
    page.query_params["run"] = "cat"
    assert page.run().text[0].value == "cat"
    page.button[0].click().run()
    assert page.query_params["run"] in ("robot", ["robot"])
    page.query_params.clear()
    assert page.run().text[0].value == "robot"
    page.button[1].click().run()
    assert page.run().text[0].value == "None"


def test_the_path_below_which_the_server_lies_begins_with_a_slash_and_ends_with_none():
    assert [routes.begin_path(base) for base in ("", "/", "train", "/deep/train/")] == ["", "", "/train", "/deep/train"]
