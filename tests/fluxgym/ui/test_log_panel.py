"""The logs of a run on its pages: below the charts with their age, size and download; all of them in their tab."""

import json

from streamlit.testing.v1 import AppTest

from fluxgym.run.old_logs import archive_log
from fluxgym.run.record import Attempt, Record, Verdict, write_record
from trainer.folder import RunFolder


def both() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, log_panel

    log_panel.draw_both(cards.look_at(find_run("small")))


def closed() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, log_panel

    opened = st.session_state.get("opened", True)
    for key in ("training", "monitor"):
        st.session_state.setdefault(f"expander:{key}", opened)
    log_panel.draw_closed(cards.look_at(find_run("small")))


def draw(script: object, **state: object) -> AppTest:
    page = AppTest.from_function(script)
    for key, value in state.items():
        page.session_state[key] = value
    page.run()
    assert not page.exception
    return page


def sent(page: AppTest) -> list[dict]:
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


def test_a_log_that_is_not_there_yet(folder: RunFolder) -> None:
    page = draw(closed)
    assert [data["lines"] for data in sent(page)] == [[], []]
    assert [part.value for part in page.caption] == ["not there yet", "not there yet"]
    assert not page.get("link_button")


def test_age_size_lines_and_download(folder: RunFolder) -> None:
    folder.training_log.write_text("".join(f"line {number:>4}\n" for number in range(205)) + "x" * 512, encoding="utf-8")
    page = draw(closed)
    assert page.caption[0].value == "last line 0 s ago, 3 KiB"
    assert sent(page)[0]["lines"] == [*(f"line {number:>4}" for number in range(106, 205)), "x" * 512]
    assert page.get("link_button")[0].proto.url == "log/small/training"


def test_a_closed_log_costs_nothing(folder: RunFolder) -> None:
    folder.training_log.write_text("line\n", encoding="utf-8")
    page = draw(closed, opened=False)
    assert (sent(page), len(page.expander)) == ([], 2)


def test_the_tab_has_all_logs_and_sends_no_line(folder: RunFolder) -> None:
    folder.training_log.write_text("line\n", encoding="utf-8")
    (data,) = sent(draw(both))
    assert data["run"] == "small"
    assert data["logs"] == [["training", "This run"], ["monitor", "Monitor"]]
    assert data["ended"] is False
    attempt = Attempt(1, 1.0, ["python"], ended=2.0, verdict=Verdict("stopped", "Stopped by you."))
    write_record(folder, Record("small", 1.0, ["python"], "stopped", 2.0, attempts=[attempt]))
    assert sent(draw(both))[0]["ended"] is True


def test_a_log_that_is_a_folder_is_told_as_such(folder: RunFolder) -> None:
    folder.training_log.mkdir()
    page = draw(closed)
    assert page.caption[0].value.replace("\\", "") == "training.log cannot be read: not a file."


def test_a_log_that_was_archived_is_shown_from_there(folder: RunFolder) -> None:
    folder.training_log.write_text("one\ntwo\n", encoding="utf-8")
    attempt = Attempt(1, 1e9, ["python"], ended=2e9, verdict=Verdict("completed", "All is done.", None, [], 9, 9))
    write_record(folder, Record("small", 1e9, ["python"], "completed", 2e9, attempts=[attempt]))
    archived = archive_log(folder)
    where = f"and lies in logs/{archived.path.name}/."
    page = draw(closed)
    assert [data["lines"] for data in sent(page)] == [["one", "two"], []]
    assert where in page.caption[0].value.replace("\\", "")
    assert page.caption[-1].value == "not there", "nothing will come"
    page = draw(both)
    assert page.caption[0].value.replace("\\", "").endswith(f"{where} It is shown below.")
    keys = [key for key, _ in sent(page)[0]["logs"]]
    assert keys == [f"{archived.path.name}-training", "monitor"], "the first is shown; this run has no other"
