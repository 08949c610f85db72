"""Share: a link is made and told once, the run's links are listed and ended, and what goes wrong is told in the dialog."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.access.links import digest_of, list_links, make_link
from fluxgym.ui import share_dialog
from trainer.folder import RunFolder

MARKUP = "**Ana** <b>x</b> $y$ :red[z] http://evil.example"


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import share_dialog

    if not st.session_state.get("elsewhere"):
        folder = find_run("small")
        share_dialog.draw_button(folder)
        share_dialog.answer(folder)


@pytest.fixture(autouse=True)
def address(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXGYM_URL", "https://gpu.example.org")


def open_dialog() -> AppTest:
    page = AppTest.from_function(script).run()
    assert said(page) == ""
    return press(page, "Share")


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(part.value for part in [*page.markdown, *page.caption]).replace("\\", "")


def told_url(page: AppTest) -> str | None:
    """The address that is shown as such."""
    sent = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return next((each["url"] for each in sent), None)


def primary(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.proto.type == "primary"]


def test_a_link_is_made_as_it_was_asked_for_and_told(folder: RunFolder) -> None:
    page = open_dialog()
    assert primary(page) == ["Make a link"]
    assert {box.label: box.value for box in page.checkbox if box.key.startswith("share-")} == {
        "Last 100 lines of the log": True,
        "Samples and their prompts": True,
        "Settings": False,
        "LoRA files to download": False,
    }
    assert "faces too" in said(page)
    page.text_input(key="share-label").set_value("Ana")
    page.checkbox(key="share-part:log").uncheck()
    page.checkbox(key="share-part:settings").check()
    page.get("button_group")[0].set_value("1 day")
    press(page, "Make a link")
    [link] = list_links(folder)
    assert (link.label, link.parts) == ("Ana", {"samples", "settings"})
    assert link.expires is not None
    assert abs(link.expires - time.time() - 86_400) < 60
    url = told_url(page)
    assert url is not None
    assert url.startswith("https://gpu.example.org/s/")
    assert digest_of(url.split("/")[-2]) == link.digest
    assert "shown only now" in said(page)
    assert url.split("/")[-2] not in folder.share.read_text(encoding="utf-8")
    assert primary(page) == []


def test_the_usual_link_is_valid_for_a_week_and_another_for_ever(folder: RunFolder) -> None:
    page = press(open_dialog(), "Make a link")
    press(page, "Make another link")
    page.get("button_group")[0].set_value("For ever")
    press(page, "Make a link")
    latest, first = list_links(folder)
    assert latest.expires is None
    assert abs((first.expires or 0) - time.time() - 7 * 86_400) < 60


def test_what_this_session_made_can_be_told_again_and_nothing_else(folder: RunFolder) -> None:
    make_link(folder, label="made elsewhere")
    page = press(open_dialog(), "Make a link")
    url = told_url(page)
    assert "Show" not in [button.label for button in page.button]
    press(page, "Make another link")
    assert told_url(page) is None
    assert [button.label for button in page.button].count("Show") == 1
    press(page, "Show")
    assert told_url(page) == url


def test_it_stays_open_while_the_page_is_drawn_anew_until_it_is_left(folder: RunFolder) -> None:
    page = press(open_dialog(), "Make a link")
    url = told_url(page)
    page.run()
    assert told_url(page.run()) == url
    page.session_state["elsewhere"] = True
    page.run()
    page.session_state["elsewhere"] = False
    assert said(page.run()) == ""


def test_done_closes_it(folder: RunFolder) -> None:
    page = press(open_dialog(), "Make a link")
    press(page, "Done")
    assert said(page) == ""
    assert told_url(press(page, "Share")) is None


def test_links_are_listed_as_text_and_ended(folder: RunFolder) -> None:
    make_link(folder, 7, MARKUP, ("log",))
    page = open_dialog()
    raw = "\n".join(part.value for part in page.markdown)
    assert MARKUP in said(page)
    assert "<b>" not in raw
    assert ":red[z" not in raw
    assert "not opened yet. Shows progress, charts and log." in said(page)
    press(page, "Revoke")
    assert list_links(folder) == []
    assert f"Revoked: {MARKUP}. Pages that show it end within seconds" in said(page)
    assert "Revoked" not in said(page.run())


def test_what_was_revoked_meanwhile_is_told(folder: RunFolder) -> None:
    make_link(folder)
    page = open_dialog()
    make_link(folder)
    [link] = list_links(folder)[1:]
    share_dialog.revoke(folder, link.id)
    next(button for button in page.button if button.key == f"revoke:{link.id}").click().run()
    assert "expected one of" in said(page)
    assert len(list_links(folder)) == 1


def test_an_expired_link_is_marked_and_can_be_removed(folder: RunFolder) -> None:
    make_link(folder, 1e-7)
    time.sleep(0.02)
    page = open_dialog()
    assert "expired 0 s ago" in said(page)
    assert "Revoke" not in [button.label for button in page.button]
    press(page, "Remove")
    assert list_links(folder) == []


def test_who_cannot_open_it_is_told(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a friend" not in said(open_dialog())
    monkeypatch.setenv("FLUXGYM_URL", "http://192.168.1.5:8501")
    page = open_dialog()
    assert "192.168.1.5:8501 leads to this network only, so a friend elsewhere cannot open it" in said(page)
    press(page, "Make a link")
    assert "leads to this network only" in said(page)


def test_an_address_that_is_none_is_told_and_no_link_made(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXGYM_URL", "gpu.example.org")
    page = open_dialog()
    assert "No link can be made: got FLUXGYM_URL='gpu.example.org', expected an address such as" in said(page)
    assert [button.label for button in page.button] == ["Share", "Done"]


def test_a_full_disk_is_told(folder: RunFolder, full_disk: Callable[..., object]) -> None:
    page = open_dialog()
    with full_disk():  # type: ignore[attr-defined]
        press(page, "Make a link")
    assert "No link was made: " in said(page)
    assert "could not be written" in said(page)
    assert told_url(page) is None
    make_link(folder)
    with full_disk():  # type: ignore[attr-defined]
        press(page.run(), "Revoke")
    assert "could not be written" in said(page)
    assert len(list_links(folder)) == 1


def test_a_damaged_file_is_told_and_can_be_begun_anew(folder: RunFolder) -> None:
    folder.share.write_text("{", encoding="utf-8")
    page = open_dialog()
    assert "Share.json of small cannot be read" in said(page)
    press(page, "Revoke all")
    assert primary(page) == ["Make a link"]
    assert not folder.share.exists()
