"""What can be pressed on a run, by its state; and what is told when a wish cannot be fulfilled."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.log.history import History
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import STALLED, Health, read_record, write_record
from fluxgym.run.status import Status, read_status
from fluxgym.ui import actions
from trainer.folder import STATE_FILE, RunFolder


def script() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.run.status import read_status
    from fluxgym.ui import actions

    folder = find_run("small")
    actions.answer()
    status = st.session_state.get("status") or read_status(folder)
    actions.draw_stop(folder, status)
    actions.draw_resume(folder, status, "primary")
    actions.draw_again(folder)
    actions.draw_download(folder, status)


def offered(page: AppTest) -> list[str]:
    assert not page.exception
    return [button.label for button in page.button] + [link.proto.label for link in page.get("link_button")]


def test_what_is_offered(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> None:
    folder = start_small("--steps", "1000", "--pause", "0.02")
    wait_until(lambda: read_status(folder).pid)
    assert offered(AppTest.from_function(script).run()) == ["Stop"]
    wait_until(lambda: folder.training_log.is_file() and "2/1000" in folder.training_log.read_text(encoding="utf-8"))
    stop_run(folder, wait=30)
    page = AppTest.from_function(script).run()
    assert offered(page) == ["Resume"]
    assert page.button[0].proto.type == "primary"


def test_a_completed_run_offers_its_lora(start_small: Callable[..., RunFolder]) -> None:
    wait_for_end(start_small(), 30)
    assert offered(AppTest.from_function(script).run()) == ["Download the LoRA"]


def test_a_wish_that_cannot_be_fulfilled_is_told_once(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object]
) -> None:
    folder = start_small("--steps", "1000", "--pause", "0.02")
    wait_until(lambda: folder.training_log.is_file() and "2/1000" in folder.training_log.read_text(encoding="utf-8"))
    page = AppTest.from_function(script)
    page.session_state.status = stop_run(folder, wait=30)  # what the page showed
    page.run()
    for state in folder.states():
        (state.path / STATE_FILE).write_text("")
    page.button[0].click().run()
    (error,) = page.error
    assert error.value.replace("\\", "").startswith("small has no whole state to resume from; small-step")
    assert not page.run().error


def test_what_a_stop_ends_is_in_its_name() -> None:
    now = time.time()
    pauses = Status("queued", is_active=True, resumes_at=now + 60)
    names = [
        actions.name_stop(status) for status in (pauses, replace(pauses, resumes_at=now - 1), replace(pauses, resumes_at=None))
    ]
    assert names == ["Do not resume", "Remove", "Remove"]
    assert actions.name_stop(Status("running", is_active=True)) == "Stop"
    assert actions.name_stop(Status("stopping", is_active=True)) == actions.name_stop(Status("stopped")) == ""


@pytest.mark.parametrize(
    ("is_other", "is_stalled", "steps", "told"),
    [
        (False, False, 100, ["finishes the step under way", "Resume goes on from that very step"]),
        (False, True, 100, ["may not answer", "killed after 2 m", "The last whole state is step 2"]),
        (False, True, 0, ["may not answer", "No state was saved yet"]),
        (True, False, 0, ["is asked to end", "Resume starts it again from its beginning"]),
        (True, True, 0, ["is asked to end", "killed if it has not after 2 m"]),
    ],
)
def test_a_stop_promises_no_more_than_it_does(
    start_small: Callable[..., RunFolder],
    monkeypatch: pytest.MonkeyPatch,
    is_other: bool,
    is_stalled: bool,
    steps: int,
    told: list[str],
) -> None:
    folder = start_small("--steps", "3", *(["--state-at", "2"] if steps else ["--saving", "0"]))
    wait_for_end(folder, 30)
    record = read_record(folder)
    assert record
    write_record(folder, replace(record, any_command=is_other))
    health = Health(STALLED, "No step for 9 m.", time.time()) if is_stalled else None
    monkeypatch.setattr(actions, "read_status", lambda folder: Status("running", is_active=True, health=health))
    said = actions._tell_stop(folder)
    assert all(words in said for words in told), said
    assert ("Nothing is lost" in said) == (not is_other and not is_stalled)


def test_a_wish_that_was_granted_is_told(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = RunFolder(outputs / "small"), {}
    monkeypatch.setattr(actions.st, "session_state", asked)
    folder.path.mkdir()
    bar = "steps:  50%|#####     | {}/80 [00:40<00:40,  1.00s/it, avr_loss=0.12]\n"
    folder.training_log.write_text(
        bar.format(20) + "Saving LoRA: small-000001.safetensors\n" + bar.format(28), encoding="utf-8"
    )
    history = History(folder.training_log)
    history.update()
    assert actions.tell_granted(folder, history) == [], "nothing was asked for"
    asked |= {f"before:{folder.save_now}": (28, 0), f"before:{folder.sample_now}": (28, 0)}
    assert actions.tell_granted(folder, history) == [], "what was saved before is not what was asked for"
    with folder.training_log.open("a", encoding="utf-8") as log:
        log.write("Saving LoRA: small-step00000028.safetensors\nSaving sample: samples/small_000028_00_20261124101502_42.png\n")
    history.update()
    folder.sample_now.touch()
    assert actions.tell_granted(folder, history) == ["Saved at step 28"], "the other wish waits"
    folder.sample_now.unlink()
    assert actions.tell_granted(folder, history) == ["Saved at step 28", "Sampled at step 28"]
