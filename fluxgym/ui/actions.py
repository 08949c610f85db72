"""What can be pressed on a run: stop (asks first), resume, again. Each does its work and draws the page anew."""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from fluxgym.dataset import form
from fluxgym.run.launch import RunError, resume_run, stop_run
from fluxgym.run.status import Status
from fluxgym.ui import fields, routes
from fluxgym.ui.text import plain
from trainer.folder import RunFolder


def draw_stop(folder: RunFolder, status: Status) -> None:
    """Stop, while there is something to stop. Only asks; `answer` opens the dialog outside of the refreshing part."""
    can_stop = status.is_active and status.state not in (None, "stopping")
    if can_stop and st.button("Stop", icon=":material/stop_circle:", key=f"stop:{folder.name}"):
        st.session_state.asked_to_stop = folder
        st.rerun()


def draw_resume(folder: RunFolder, status: Status, is_primary: bool) -> None:
    """Resume, where there is a state to resume from or nothing was saved yet."""
    if status.is_active or not (status.resumable or status.can_restart):
        return
    kind: Literal["primary", "secondary"] = "primary" if is_primary else "secondary"
    if st.button("Resume", icon=":material/resume:", key=f"resume:{folder.name}", type=kind):
        _try(folder, resume_run)


def draw_again(folder: RunFolder, status: Status, is_primary: bool = False) -> None:
    """Again: the Train page with this run's settings and a name that is free."""
    can_repeat = not status.is_active and folder.config.is_file()
    kind: Literal["primary", "tertiary"] = "primary" if is_primary else "tertiary"
    if can_repeat and st.button("Again", icon=":material/content_copy:", key=f"again:{folder.name}", type=kind):
        fields.fill(form.again(folder))
        st.switch_page(routes.TRAIN)


def draw_download(folder: RunFolder, status: Status) -> None:
    """The LoRA of a completed run."""
    if status.state == "completed":
        url = routes.file_url(folder.name, "loras", folder.lora.name)
        st.link_button("Download the LoRA", url, type="primary", icon=":material/download:")


def answer() -> None:
    """What follows from a button that was pressed: the dialog that asks, or why a wish could not be fulfilled. Once a page."""
    if refusal := st.session_state.pop("refusal", None):
        st.error(plain(refusal), icon=":material/error:")
    if folder := st.session_state.pop("asked_to_stop", None):
        _ask_to_stop(folder)


def _try(folder: RunFolder, act: Callable[[RunFolder], object]) -> None:
    try:
        act(folder)
    except (RunError, OSError) as error:
        st.session_state.refusal = str(error)
    st.rerun()


@st.dialog("Stop this training?", icon=":material/stop_circle:")
def _ask_to_stop(folder: RunFolder) -> None:
    st.markdown(
        f"**{plain(folder.name)}** finishes the step under way, saves its state and ends. "
        "Nothing is lost: Resume goes on from that very step."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Let it run"):
            st.rerun()
        if st.button("Stop", type="primary", key="stop-confirmed"):
            _try(folder, stop_run)
