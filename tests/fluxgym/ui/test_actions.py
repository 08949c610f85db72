"""What can be pressed on a run, by its state; and what is told when a wish cannot be fulfilled."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.status import read_status
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
    actions.draw_again(folder, status)
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
