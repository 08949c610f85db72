"""Who has access, on one page: the valid links to all runs, each and all revoked; the way out."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.access.links import list_links, make_link
from fluxgym.view.opening import open_folder
from trainer.folder import RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.ui import access_view

    if refusal := st.session_state.pop("refusal", None):
        st.error(refusal)
    access_view.answer()
    access_view.draw()


@pytest.fixture
def runs(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """Two runs of ours and an opened folder, each with a link."""
    monkeypatch.delenv("FLUXGYM_OPEN", raising=False)
    made = [RunFolder(outputs / name) for name in ("one", "two")]
    for folder in made:
        folder.path.mkdir()
        folder.training_log.write_text("Epoch 1/2\n", encoding="utf-8")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "train.log").write_text("epoch 1/2\n", encoding="utf-8")
    made.append(open_folder(str(theirs)))
    for folder in made:
        make_link(folder, label=f"for *{folder.title}*")
    return made


def open_view() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(part.value for part in [*page.markdown, *page.caption, *page.error]).replace("\\", "")


def test_nobody_has_a_link(outputs: Path) -> None:
    page = open_view()
    assert "Nobody has a link" in said(page)
    assert [button.label for button in page.button] == []


def test_the_links_of_all_runs_are_listed_and_one_is_ended(runs: list[RunFolder]) -> None:
    make_link(runs[0], 1e-7)  # has expired
    page = open_view()
    for folder in runs:
        assert f"{folder.title}: for *{folder.title}*" in said(page)
    assert [button.label for button in page.button].count("Revoke") == 3
    press(page, "Revoke")
    assert [len([link for link in list_links(folder) if link.is_valid()]) for folder in runs] == [1, 1, 0]
    assert "Revoked: for *theirs*." in said(page)


def test_all_are_ended_after_a_question_that_says_what_is_lost(runs: list[RunFolder]) -> None:
    page = press(open_view(), "Revoke all")
    assert "3 links to 3 runs end for good" in said(page)
    press(page, "Keep them")
    assert all(map(list_links, runs))
    press(page, "Revoke all")
    page.button(key="revoke-all-confirmed").click().run()
    assert not any(map(list_links, runs))
    assert "3 links revoked" in said(page)
    assert "Nobody has a link" in said(page)


def test_a_damaged_file_is_named_and_the_others_are_listed(runs: list[RunFolder]) -> None:
    runs[0].share.write_text("[", encoding="utf-8")
    page = open_view()
    assert "Share.json of one cannot be read" in said(page)
    assert [button.label for button in page.button].count("Revoke") == 2
    press(page, "Revoke all of it")
    assert not runs[0].share.exists()
    assert "cannot be read" not in said(page)


def test_names_of_any_bytes_do_not_break_the_page(outputs: Path) -> None:
    for name, damage in ((b"\xff\xfe", None), (b"\xfd", "{")):
        folder = RunFolder(outputs / os.fsdecode(name))
        folder.path.mkdir()
        make_link(folder, label=os.fsdecode(b"\xfb"))
        if damage:
            folder.share.write_text(damage, encoding="utf-8")
    page = open_view()
    assert r"'udcffudcfe': 'udcfb'" in said(page)
    assert "cannot be read" in said(page)
    press(page, "Revoke")
    press(page, "Revoke all of it")
    assert "Nobody has a link" in said(page)


def test_what_cannot_be_ended_is_told(runs: list[RunFolder], full_disk: Callable[..., object]) -> None:
    page = open_view()
    with full_disk():  # type: ignore[attr-defined]
        press(page, "Revoke")
    assert "could not be written" in said(page)
    assert len(list_links(runs[2])) == 1


def test_the_way_out_is_there_where_a_key_is_asked_for(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUXGYM_OPEN", raising=False)
    assert 'href="logout"' in open_view().get("html")[0].proto.body
    monkeypatch.setenv("FLUXGYM_OPEN", "1")
    page = open_view()
    assert page.get("html") == []
    assert "whoever reaches this server is its owner" in said(page)
