"""The board as the page is told of it, the marks that come back, the dialog before a deletion; states as a table."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.record import Verdict, begin_attempt, write_record
from fluxgym.view.board import Mark, read_marks
from tests.small_training import write_lora, write_state
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, checkpoint_list

    checkpoint_list.draw(cards.look_at(find_run("small")))


def test_nothing_yet(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert [part.value.split(".")[0] for part in page.caption] == ["None yet", "None yet"]


def test_nothing_is_promised_of_what_has_ended(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    write_record(folder, begin_attempt(folder, None, ["x"]).to("failed", verdict=Verdict("failed", "Out of memory.")))
    page = AppTest.from_function(script).run()
    assert [part.value for part in page.caption] == ["None was saved.", "None was saved."]


@pytest.mark.parametrize(
    ("every", "said"),
    [(4, "The first comes after epoch 4, the last at the end."), (0, "It comes at the end."), (16, "It comes at the end.")],
)
def test_when_the_first_lora_comes(outputs: Path, every: int, said: str) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.write_text(f"[train]\nepochs = 16\n[save]\nevery_epochs = {every}\n", encoding="utf-8")
    assert AppTest.from_function(script).run().caption[0].value == f"None yet. {said}"


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    made = RunFolder(outputs / "small")
    made.path.mkdir()
    made.config.touch()
    for epoch in (4, 8):
        write_lora(made.epoch_lora(epoch))
    return made


def test_of_the_board_the_page_is_told_its_version_alone(folder: RunFolder) -> None:
    def sent() -> str:
        page = AppTest.from_function(script).run()
        assert not page.exception
        (part,) = page.get("bidi_component")
        return part.proto.json

    before = sent()
    assert json.loads(before)["url"] == "files/small/board"
    for epoch in range(10, 60):
        write_lora(folder.epoch_lora(epoch))
    write_lora(folder.path / "<b>&.safetensors")
    assert sent() != before
    assert len(sent()) == len(before)


def test_states(folder: RunFolder) -> None:
    write_state(folder.path, 7)
    (folder.path / "<b>-state").mkdir()
    page = AppTest.from_function(script).run()
    assert not page.exception
    (states,) = (part.proto.body for part in page.get("html"))
    assert "small-step00000007-state" in states
    assert "&lt;b&gt;-state" in states
    assert "state.json cannot be read" in states
    assert states.count('class="rest"') == 9, "a head and two rows of what a phone has no room for"


def test_marks_from_the_browser_are_not_trusted(folder: RunFolder) -> None:
    from fluxgym.ui.checkpoint_list import take_mark

    name = folder.epoch_lora(4).name
    for said in (
        None,
        "x",
        {},
        {"place": "../x", "star": True},
        {"place": ["x"], "star": True},
        {"place": name, "star": "yes"},
    ):
        take_mark(folder, said)
    assert read_marks(folder) == {}
    take_mark(folder, {"place": name, "star": True})
    take_mark(folder, {"place": name, "note": "<b>soft</b>"})
    assert read_marks(folder) == {name: Mark(star=True, note="<b>soft</b>")}


def ask() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import checkpoint_list

    st.session_state[checkpoint_list.ASKED] = "small-000004.safetensors"
    checkpoint_list.answer(find_run("small"))


def test_a_deletion_is_asked_for_first(folder: RunFolder) -> None:
    page = AppTest.from_function(ask).run()
    assert not page.exception
    said = " ".join(part.value for part in page.markdown).replace("\\", "")
    assert "small-000004.safetensors" in said
    assert "cannot be brought back" in said
    assert folder.epoch_lora(4).exists()
    page.button(key="delete-confirmed").click().run()
    assert not page.exception
    assert not folder.epoch_lora(4).exists()
    assert folder.epoch_lora(8).exists()
    assert "is not there any more" in page.markdown[0].value
