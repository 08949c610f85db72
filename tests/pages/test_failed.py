"""What the Run page offers after a failure, by its cause: the button is pressed, and does what it says."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgym.form import form
from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.launch import stop_run
from fluxgym.run.record import TRAINER, read_record, write_record
from fluxgym.run.settings import read_settings
from fluxgym.run.status import read_status
from tests.fluxgym.view.runs import failed, make_run, make_state, step_lines
from tests.pages.opened import open_page, press, primary, told
from trainer.folder import RunFolder
from trainer.mini import DEMO

WORDS = {
    "oom": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 576.00 MiB, at step 12 of 100.",
    "nan": "the loss became nan at step 12, at step 12 of 100.",
    "killed": "Killed by signal 9 (SIGKILL) at step 12 of 100.",
    "gated": "401 Client Error: the Hub does not hand it out, at step 12 of 100.",
    "other": "Failed at step 12 of 100, the cause is not in the log. Exit code 1.",
    "damaged_file": "owner/flux cannot be used: vae/model.safetensors: got 4 bytes, expected 9: download it again",
}


@pytest.fixture
def fail(outputs: Path) -> Iterator[Callable[..., RunFolder]]:
    """fail(kind, settings): the demo, as it would have failed so. What goes on is stopped in the end."""

    def fail(kind: str, settings: dict[str, str] | None = None, states: int = 1) -> RunFolder:
        folder = make_run(outputs / "demo", step_lines(1, 12, 100), failed(12, 100, kind, WORDS[kind]))
        record = read_record(folder)
        write_record(folder, replace(record, command=[sys.executable, *TRAINER, "config.toml"]))
        write_care(folder, Care(place=NONE))
        text = DEMO.read_text(encoding="utf-8")
        for before, after in (settings or {}).items():
            assert before in text
            text = text.replace(before, after)
        folder.config.write_text(text, encoding="utf-8")
        for number in range(states):
            make_state(folder, 10 + number, 1 + number)
        return folder

    yield fail
    folder = RunFolder(outputs / "demo")
    if read_status(folder).is_active:
        stop_run(folder, wait=60)


def test_out_of_memory_goes_on_with_less_where_the_states_fit(fail: Callable[..., RunFolder]) -> None:
    folder = fail("oom", {"seed = 42": "seed = 42\ngradient_checkpointing = false"})
    page = open_page("run", run="demo")
    assert "Out of GPU memory at step 12 of 100." in told(page)
    assert "It goes on with gradient checkpointing." in told(page)
    assert primary(page) == ["Go on with less memory"]
    press(page, "Go on with less memory")
    assert read_settings(folder)["train"]["gradient_checkpointing"] is True
    assert read_record(folder).attempts[-1].resumed_from == "demo-1-state"


def test_out_of_memory_begins_anew_where_they_do_not(fail: Callable[..., RunFolder]) -> None:
    """The trainer by itself computed twice what it could: only another batch is smaller, and its states would not fit."""
    folder = fail("oom")
    before = read_settings(folder)["data"]["batch_size"]
    page = press(open_page("run", run="demo"), "Begin anew with less memory")
    assert page.title[0].value == "New training"
    assert page.text_input(key="form:name").value == "demo-2"
    assert form.read_values(form.draft())["data.batch_size"] == before // 2
    assert not read_status(folder).is_active


def test_a_loss_that_is_no_number_goes_on_at_half_the_rate(fail: Callable[..., RunFolder]) -> None:
    folder = fail("nan")
    before = read_settings(folder)["train"]["learning_rate"]
    page = open_page("run", run="demo")
    assert primary(page) == ["Resume with half the learning rate"]
    press(page, "Resume with half the learning rate")
    assert read_settings(folder)["train"]["learning_rate"] == before / 2
    assert len(read_record(folder).attempts) == 2


def test_what_was_killed_is_resumed(fail: Callable[..., RunFolder]) -> None:
    folder = fail("killed", states=2)
    page = open_page("run", run="demo")
    assert "The training was killed at step 12 of 100." in told(page)
    assert primary(page) == ["Resume"]
    assert [button.label for button in page.button].count("Resume") == 1
    press(page, "Resume")
    assert read_record(folder).attempts[-1].resumed_from == "demo-2-state"


def test_what_fails_again_until_somebody_acts_is_not_urged(fail: Callable[..., RunFolder]) -> None:
    fail("gated", states=0)
    page = open_page("run", run="demo")
    assert "accept its licence" in told(page)
    assert primary(page) == []
    assert "Try again" in [button.label for button in page.button]


def test_a_cause_that_is_not_in_the_log_is_said_to_be_so(fail: Callable[..., RunFolder]) -> None:
    fail("other")
    page = open_page("run", run="demo")
    assert "Failed at step 12 of 100, the cause is not in the log." in told(page)
    assert told(page).count("the cause is not in the log") == 1
    assert "Exit code 1." in told(page)
    assert primary(page) == ["Resume"]


def test_a_damaged_file_of_the_hub_is_deleted_and_the_training_begins(
    fail: Callable[..., RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = tmp_path / "hub" / "models--owner--flux"
    file = model / "snapshots" / ("a" * 40) / "vae" / "model.safetensors"
    file.parent.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("a" * 40)
    file.write_bytes(b"half")
    folder = fail("damaged_file", {'base = "trainer/mini/flux-mini"': 'base = "owner/flux"'}, states=0)
    page = open_page("run", run="demo")
    assert "vae/model.safetensors is deleted from the Hub's cache" in told(page)
    press(page, "Download that file again")
    assert not file.exists()
    assert len(read_record(folder).attempts) == 2


def test_states_can_be_chosen_instead(fail: Callable[..., RunFolder]) -> None:
    fail("killed", states=2)
    page = press(open_page("run", run="demo"), "Resume from ...")
    assert page.radio[0].options == ["Epoch 2, step 11", "Epoch 1, step 10"]
