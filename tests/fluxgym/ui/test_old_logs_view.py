"""Old logs on a run's page: what is listed, archived and deleted, and what is not while the run is under way."""

import gzip
import os
from pathlib import Path

from streamlit.testing.v1 import AppTest

from fluxgym.run import lock
from fluxgym.run.identity import Identity
from fluxgym.run.old_logs import list_archived
from fluxgym.run.record import begin_attempt, write_record
from fluxgym.ui.old_logs_view import ASKED
from trainer.folder import RunFolder


def ask() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import old_logs_view

    st.session_state[old_logs_view.ASKED] = True
    old_logs_view.answer(find_run("small"))


def button() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, old_logs_view

    old_logs_view.draw_button(cards.look_at(find_run("small")))


def archive(folder: RunFolder, name: str) -> Path:
    path = folder.old_logs / name
    path.mkdir(parents=True)
    (path / "training.log.gz").write_bytes(gzip.compress(b"old\n", mtime=0))
    return path


def draw(script: object) -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def captions(page: AppTest) -> list[str]:
    return [part.value for part in page.caption]


def test_the_button_says_what_there_is_and_asks_for_the_dialog(folder: RunFolder) -> None:
    assert captions(draw(button)) == ["None yet"]
    archive(folder, "20200101-101500")
    page = draw(button)
    assert captions(page) == ["1 earlier log, 24 B"]
    page.button(key="old-logs").click().run()
    assert page.session_state[ASKED]


def test_without_any_log(folder: RunFolder) -> None:
    page = draw(ask)
    assert [page.button(key=key).disabled for key in ("archive-log", "delete-logs")] == [True, True]
    assert captions(page) == ["It has no log.", "No archived log is older than 30 days."]


def test_the_log_of_an_ended_run_is_archived(folder: RunFolder) -> None:
    folder.training_log.write_text("line\n", encoding="utf-8")
    draw(ask).button(key="archive-log").click().run()
    assert not folder.training_log.exists()
    (archived,) = list_archived(folder)
    assert gzip.decompress(archived.log.read_bytes()) == b"line\n"


def test_logs_of_long_ago_are_deleted_and_what_is_lost_is_said(folder: RunFolder) -> None:
    old, young = archive(folder, "20200101-101500"), archive(folder, "29990101-101500")
    (old / "small-000002.safetensors").touch()
    page = draw(ask)
    assert "| 2020-01-01 10:15 | 24 B | 1 LoRA file |" in page.markdown[0].value
    assert "1 log, 24 B, and the curves in them are lost. What lies beside them stays: 1 LoRA file." in captions(page)
    assert page.button(key="delete-logs").label == "Delete 1 log for good"
    page.button(key="delete-logs").click().run()
    assert [path.name for path in old.iterdir()] == ["small-000002.safetensors"]
    assert [path.name for path in young.iterdir()] == ["training.log.gz"]


def test_nothing_of_it_while_the_run_is_under_way(folder: RunFolder) -> None:
    archive(folder, "20200101-101500")
    folder.training_log.write_text("line\n", encoding="utf-8")
    with lock.hold(folder.lock, 1):
        write_record(folder, begin_attempt(folder, None, ["a training"]).to("running", training=Identity.of(os.getpid())))
        page = draw(ask)
    assert [page.button(key=key).disabled for key in ("archive-log", "delete-logs")] == [True, True]
    assert captions(page)[0] == "Not while the run is under way."
    assert captions(page)[1].startswith("Not while small is under way.")
