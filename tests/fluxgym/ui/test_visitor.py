"""Who asks, as scripts are told; and the head of a link's page."""

import asyncio
import re

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.access.links import make_link, revoke
from fluxgym.run.folders import PROJECT
from fluxgym.ui import visitor
from trainer.folder import RunFolder


@pytest.fixture
def folder(outputs) -> RunFolder:
    made = RunFolder(outputs / "robot")
    made.path.mkdir()
    made.training_log.write_text("2026-11-24 10:00:00 Epoch 1/2\n")
    return made


def asks(monkeypatch, said: str) -> None:
    monkeypatch.setattr(visitor, "who_asks", lambda: said)


def test_a_script_that_no_gate_told_runs_for_nobody():
    page = AppTest.from_string("import streamlit as st\nfrom fluxgym.ui import visitor\nst.text(visitor.who_asks())")
    assert page.run().text[0].value == ""
    assert not visitor.is_owner() and visitor.link_in_view() is None


def test_without_the_gate_the_dashboard_shows_nothing(folder):
    page = AppTest.from_file(PROJECT / "dashboard.py", default_timeout=60).run()
    assert not page.exception and not page.title and not page.button
    assert "robot" not in str(page.markdown)


@pytest.mark.parametrize("said", ["", "owner ", "Owner", "visitor owner", "visitor ", "visitor x"])
def test_nobody_else_is_the_owner_and_no_other_link_is_one(monkeypatch, said):
    asks(monkeypatch, said)
    assert not visitor.is_owner() and visitor.link_in_view() is None


def test_a_visitor_has_the_link_until_it_is_revoked(folder, monkeypatch):
    link, token = make_link(folder)
    asyncio.run(visitor.BOOK.find(token))  # as the gate does
    asks(monkeypatch, f"visitor {link.digest}")
    assert visitor.link_in_view() == link and not visitor.is_owner()
    revoke(folder, link.id)
    assert visitor.link_in_view() is None


def test_the_head_of_a_page_shows_outside_text_as_text(outputs):
    odd = RunFolder(outputs / '"><script>x<b>&')
    odd.path.mkdir()
    odd.training_log.write_text("\n")
    link, _ = make_link(odd, parts=["samples"])
    head = visitor.tell_head(link, 'http://host/"><b>/')
    assert "<script" not in head and "<b>" not in head
    assert set(re.findall(r"<(/?\w+)", head)) == {"title", "/title", "meta"}


def test_a_card_has_a_picture_where_samples_are_shown(folder):
    assert "card/robot.jpg" in visitor.tell_head(make_link(folder, parts=["samples"])[0], "http://h/s/t/")
    head = visitor.tell_head(make_link(folder, parts=["log"])[0], "http://h/s/t/")
    assert "og:image" not in head and 'property="og:title" content="robot - ' in head
