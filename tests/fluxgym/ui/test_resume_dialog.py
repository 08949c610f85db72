"""The dialog of a resume: states, epochs, learning rate; and what becomes of them."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import stop_run
from fluxgym.run.record import TRAINER, read_record, write_record
from fluxgym.run.settings import read_settings
from fluxgym.run.status import read_status
from tests.fluxgym.view.runs import failed, make_run, make_state, step_lines
from trainer.folder import RunFolder
from trainer.mini import DEMO


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import resume_dialog

    resume_dialog.draw(find_run("demo"))


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    """A run of our trainer that failed after 60 of 200 steps, with two whole states and one that is not."""
    log = "2026-11-24 10:15:00 Training: 200 steps, 10 epochs of 20 steps\n2026-11-24 10:15:00 Epoch 1/10\n"
    folder = make_run(outputs / "demo", log + step_lines(1, 60, 200), failed(60, 200, "killed", "words"))
    record = read_record(folder)
    record.command[:] = [sys.executable, *TRAINER, "config.toml"]
    write_record(folder, record)
    folder.config.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    make_state(folder, 20, 1)
    make_state(folder, 40, 2)
    (make_state(folder, 60, 3) / "lora.safetensors").write_bytes(b"")
    return folder


def open_dialog() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def test_the_furthest_whole_state_is_chosen_and_the_damaged_one_is_named(run: RunFolder) -> None:
    page = open_dialog()
    assert page.radio[0].options == ["Epoch 2, step 40", "Epoch 1, step 20"]
    assert page.radio[0].value == "demo-2-state"
    captions = [caption.replace("\\", "") for caption in page.radio[0].proto.captions]
    assert captions[0].startswith("160 steps left to epoch 10, about 5 m; ")
    (damaged,) = [part.value for part in page.markdown if ":red[" in part.value]
    assert "demo\\-3\\-state is damaged and cannot be used" in damaged
    assert [button.label for button in page.button if button.proto.type == "primary"] == ["Resume"]


def test_more_epochs_change_what_is_left(run: RunFolder) -> None:
    page = open_dialog()
    page.number_input(key="resume-epochs").set_value(20).run()
    assert page.radio[0].proto.captions[0].startswith("360 steps left to epoch 20")
    assert page.number_input(key="resume-epochs").min == 10


def test_an_earlier_state_with_other_settings(run: RunFolder) -> None:
    page = open_dialog()
    page.radio[0].set_value("demo-1-state").run()
    page.number_input(key="resume-epochs").set_value(20)
    page.number_input(key="resume-rate").set_value(1e-4).run()
    page.button(key="resume-confirmed").click().run()
    assert not page.exception
    try:
        assert read_status(run).is_active
        assert read_record(run).attempts[-1].resumed_from == "demo-1-state"
        assert read_settings(run)["train"]["epochs"] == 20
        assert read_settings(run)["train"]["learning_rate"] == 1e-4
    finally:
        stop_run(run, wait=60)


def test_what_is_refused_is_told_in_the_dialog(run: RunFolder) -> None:
    page = open_dialog()
    for state in run.states():
        (state.path / "state.json").unlink()
    page.button(key="resume-confirmed").click().run()
    assert "nothing to resume from any more" in "".join(part.value for part in page.markdown)
    assert not read_status(run).is_active
