"""The plan beside the steps of the Train page."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.job.folder import DONE, list_jobs, read_job
from fluxgym.preflight.estimate import KIND

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import streamlit as st

    from fluxgym.form.check import check_form
    from fluxgym.ui import fields, plan_view

    checked = check_form(fields.values())
    st.session_state.problems = checked.problems
    plan_view.draw_plan(checked)


def test_the_plan_is_arithmetic() -> None:
    batch = {"data.batch_size": 4, "data.regularisation_images": 1, "data.repeats": 3, "data.validation_images": 0}
    form.write_values(form.draft(), form.demo_values() | batch | {"train.epochs": 2})
    page = AppTest.from_function(script).run()
    assert page.metric[0].value == "24"
    table = page.get("html")[0].proto.body
    assert [f">{number}<" in table for number in (12, 2, 15)] == [True, True, True], "images, epochs, samples"


def test_the_plan_tells_the_number_that_trainings_compare_by() -> None:
    strong = {"train.learning_rate": 8e-4, "lora.rank": 4, "lora.alpha": 1.0}
    for changes, told in [(strong, "2.0e-04"), ({"train.optimizer": "prodigy"}, "found by prodigy")]:
        form.write_values(form.draft(), form.demo_values() | changes)
        assert f">{told}<" in AppTest.from_function(script).run().get("html")[0].proto.body


def test_without_images_there_is_no_plan() -> None:
    page = AppTest.from_function(script).run()
    assert page.metric[0].value == "-"


def test_a_training_that_nothing_watches_is_told_calmly() -> None:
    unwatched = {"data.validation_images": 0, "sample.prompts": []}
    for changes, is_told in [({}, True), ({"data.validation_images": 1}, False), ({"sample.prompts": ["a cat"]}, False)]:
        form.write_values(form.draft(), form.demo_values() | unwatched | changes)
        page = AppTest.from_function(script).run()
        assert any("nothing will tell whether it gets better" in part.value for part in page.caption) == is_told
        assert ":red[" not in "".join(part.value for part in page.markdown)


def test_that_the_place_is_taken_is_said_beside_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxgym.ui.care_fields.tell_turn", lambda place: f"It waits its turn for {place}.")
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert any("It waits its turn for auto" in part.value.replace("\\", "") for part in page.caption)


def test_memory_and_disk_come_when_they_were_counted(wait_until) -> None:
    form.write_values(form.draft(), form.demo_values())
    page = AppTest.from_function(script).run()
    assert ">being estimated<" in page.get("html")[1].proto.body
    (job,) = [status.job for status in list_jobs(KIND)]
    wait_until(lambda: read_job(job).state == DONE, 120)
    page.run()
    assert not page.exception
    told = page.get("html")[1].proto.body
    assert "being estimated" not in told and "MiB" in told
    assert any("base as it is" in part.value for part in page.caption)
