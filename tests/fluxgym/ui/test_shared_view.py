"""What is drawn of a run for visitors: charts that fetch themselves, the last line, and no traceback whatever happens."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.view import visitor_look
from tests.pages.opened import told
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import shared_view

    shared_view.draw(find_run("small"), ["log"])
    shared_view.draw_end(None)


def versions(page: AppTest) -> set[str]:
    assert not page.exception
    charts = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return {chart["version"] for chart in charts if "chart" in chart}


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)


def test_its_charts_are_fetched_anew_when_there_is_something_new(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    (before,) = versions(page)
    assert versions(page.run()) == {before}
    bar = "steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.12]\n"
    folder.training_log.write_text(bar, encoding="utf-8")
    (after,) = versions(page.run())
    assert after != before


def test_a_log_that_cannot_be_read_breaks_nothing(folder: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    folder.training_log.mkdir()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert "It cannot be shown at the moment. It is tried again in a few seconds." in told(page)
    assert str(folder.path) not in told(page)
    assert str(folder.path) in caplog.text, "its owner finds in the server's log what it was"


def test_a_run_that_is_gone(folder: RunFolder) -> None:
    def gone(path: str) -> None:
        from pathlib import Path

        from fluxgym.ui import shared_view
        from trainer.folder import RunFolder

        shared_view.draw(RunFolder(Path(path)), [])

    page = AppTest.from_function(gone, args=(str(folder.path / "none"),)).run()
    assert [part.value for part in page.markdown] == ["This run is not there any more."]


def test_the_last_line(folder: RunFolder) -> None:
    (line,) = AppTest.from_function(script).run().caption[-1:]
    assert line.value.startswith("Shown by FluxGym. This link shows one training and can change nothing.")
