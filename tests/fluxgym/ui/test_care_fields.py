"""The choices of care as widgets: where it can train, and what is only offered where it means something."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.care import NONE, RESUME, Care
from fluxgym.run.gpu import Gpu
from fluxgym.run.status import read_status
from fluxgym.ui import care_fields
from fluxgym.ui.care_fields import WHEN_STALLED
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    import dataclasses

    import streamlit as st

    from fluxgym.run.care import Care
    from fluxgym.ui import care_fields

    values = st.session_state.setdefault("values", dataclasses.asdict(Care()))
    kept = care_fields.Kept("t:", values, values.__setitem__)
    care_fields.draw_when_stuck(kept)
    care_fields.draw_by_itself(kept)
    care_fields.draw_place(kept)
    care_fields.draw_notify(kept)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[Gpu]:
    """The GPUs that there are; and no Slurm."""
    found: list[Gpu] = []
    monkeypatch.setenv("PATH", "/nothing")
    monkeypatch.setattr(care_fields, "_find_gpus", lambda: found)
    return found


def places(page: AppTest) -> list[str]:
    assert not page.exception
    return list(page.selectbox(key="t:place").options)


def test_without_a_gpu_it_waits_for_the_cpu(gpus: list[Gpu]) -> None:
    assert places(AppTest.from_function(script).run()) == ["The CPU, when it is free", "At once, without waiting"]


def test_gpus_are_listed_with_what_is_free(gpus: list[Gpu]) -> None:
    gpus.append(Gpu(0, "a", "H100", memory_used=2 * 2**30, memory_total=80 * 2**30))
    gpus.append(Gpu(1, "b", "L4"))
    page = AppTest.from_function(script).run()
    assert places(page) == [
        "The first free GPU",
        "GPU 0: H100, 78.0 GiB of 80.0 GiB free",
        "GPU 1: L4",
        "At once, without waiting",
    ]
    page.selectbox(key="t:place").select("1").run()
    assert page.session_state["values"]["place"] == "1"


def test_a_place_of_before_stays_a_choice(gpus: list[Gpu]) -> None:
    page = AppTest.from_function(script).run()
    page.session_state["values"]["place"] = "0,1"
    assert "GPU 0 and 1" in places(page.run())


def test_a_cluster_is_a_choice_where_its_commands_are(gpus: list[Gpu], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "squeue", "scancel", "scontrol"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    with monkeypatch.context() as here:
        here.setenv("PATH", str(tmp_path))
        page = AppTest.from_function(script).run()
        assert places(page)[-1] == "A job on Slurm"
        page.selectbox(key="t:place").select("slurm").run()
        assert page.session_state["values"]["place"] == "slurm" and not page.markdown
    page.run()  # on a machine without them
    assert "Slurm is not installed here" in page.markdown[0].value and places(page)[-1] == "A job on Slurm"


def test_how_often_is_asked_only_where_it_resumes_by_itself(gpus: list[Gpu]) -> None:
    page = AppTest.from_function(script).run()
    assert page.number_input[0].disabled
    page.toggle(key="t:step_down").set_value(True).run()
    assert not page.number_input[0].disabled


def test_that_no_service_is_set_up_is_said(gpus: list[Gpu]) -> None:
    page = AppTest.from_function(script).run()
    assert page.caption[-1].value == "no service is set up yet"
    page.toggle(key="t:notify").set_value(False).run()
    assert not page.caption


def test_whom_a_training_would_wait_for(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxgym.run.places.list_gpus", list)
    monkeypatch.setattr("fluxgym.run.places.has_device", lambda: False)

    def told(place: str = "auto") -> str:
        care_fields.tell_turn.clear()
        return care_fields.tell_turn(place)

    assert told() == ""
    first = start_small("--steps", "100000", "--pause", "0.05", name="first", care=Care())
    wait_until(lambda: read_status(first).state == "running")
    assert told() == "It waits its turn for the CPU, after first."
    assert told(NONE) == ""
    second = start_small(name="second", care=Care())
    wait_until(lambda: read_status(second).queue)
    assert told() == "It waits its turn for the CPU, after first (1 waits already)."
    assert told("7") == "", "there is no such GPU, as Start will say"


def test_a_browser_that_missed_how_they_began_sends_what_is_kept(gpus: list[Gpu]) -> None:
    """The first of the choices, and switches that are off, would be another care than that of the run."""
    gpus.append(Gpu(0, "a", "H100"))
    page = AppTest.from_function(script)
    page.session_state["values"] = dataclasses.asdict(Care(monitor=True, when_stalled=RESUME, most_resumes=7, place=NONE))
    page.run()
    again = page.run()
    assert not page.exception
    assert {widget.key: widget.proto.default for widget in again.toggle}["t:monitor"] is True
    assert again.number_input(key="t:most_resumes").proto.default == 7
    chosen = {widget.key: widget.options[widget.proto.default] for widget in again.selectbox}
    assert chosen == {"t:when_stalled": WHEN_STALLED[RESUME], "t:place": "At once, without waiting"}
