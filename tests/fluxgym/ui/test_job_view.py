"""A job on a page, with a real one behind it."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.job.begin import start_job
from fluxgym.job.folder import find_job, list_jobs, read_job

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.job.begin import start_job
    from fluxgym.job.folder import find_job, read_job
    from fluxgym.ui.job_view import draw_job

    st.session_state.drawn = st.session_state.get("drawn", 0) + 1
    status = read_job(find_job("captions", "cats"))
    if status:
        draw_job(status, "cats", lambda: start_job("captions", "cats", ["-c", "pass"], "Captions"))


def test_one_that_runs_can_be_stopped_and_begun_again(wait_until):
    code = "import time; from trainer.progress import Progress; Progress('images', 4).tell(1, 'cat_1.jpg'); time.sleep(600)"
    start_job("captions", "cats", ["-c", code], "Captions of cats")
    wait_until(lambda: read_job(find_job("captions", "cats")).said)
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert [part.value for part in page.caption] == ["cat\\_1\\.jpg"]
    assert page.get("progress")[0].proto.text == "Captions of cats: 1 of 4 images"
    page.button("stop:cats").click().run()
    assert [button.label for button in page.button] == ["Try again", "Dismiss"]
    page.button("again:cats").click().run()
    wait_until(lambda: read_job(find_job("captions", "cats")).state == "done")
    page.run()
    assert [button.label for button in page.button] == ["Dismiss"]
    page.button("dismiss:cats").click().run()
    assert list_jobs() == [] and not page.button


def test_why_it_failed_is_said(wait_until):
    job = start_job("captions", "cats", ["-c", "raise SystemExit('got *no* image')"], "Captions")
    wait_until(lambda: read_job(job).state == "failed")
    page = AppTest.from_function(script).run()
    assert "got \\*no\\* image" in page.markdown[-1].value
