"""The dialog in which a person chooses from which state a run goes on, for how many epochs and how fast."""

from typing import Any

import streamlit as st

from fluxgym.log.history import History, get_history
from fluxgym.preflight.cluster import find_refusal
from fluxgym.run.folders import log_of
from fluxgym.run.launch import RunError, resume_run
from fluxgym.run.status import Status, read_status
from fluxgym.ui import slurm_fields
from fluxgym.ui.text import plain, red
from fluxgym.view.way_on import EPOCHS, RATE, Choice, find_setting, list_choices
from trainer.folder import RunFolder

LONGER, FROM, WITH = "Train longer", "Resume from ...", "Resume with ..."  # its titles, and those of the buttons that open it
SHARE = 2  # a completed run is offered half as many epochs again


def title_for(folder: RunFolder, status: Status) -> str:
    """What it would be called; empty where there is nothing to choose."""
    if status.state == "completed":
        can_grow = status.is_ours and _epochs(folder) is not None
        return LONGER if can_grow and any(not choice.state.problem for choice in list_choices(folder)) else ""
    if status.resumable:
        return FROM
    return WITH if _can_ask_for_more(folder, status) else ""


def _can_ask_for_more(folder: RunFolder, status: Status) -> bool:
    """Whether nothing was saved yet but what its job asks for can be changed: the cluster may never start it as it is."""
    return status.can_restart and status.is_ours and slurm_fields.asks_slurm(folder)


def draw(folder: RunFolder) -> None:
    """What the dialog holds."""
    status, history = read_status(folder), get_history(log_of(folder))
    history.update()
    choices = list_choices(folder)
    whole = [choice for choice in choices if not choice.state.problem]
    if status.is_active or not (whole or _can_ask_for_more(folder, status)):
        st.markdown("There is nothing to resume from any more.")
        return
    st.markdown(f"**{plain(folder.name)}**")
    changes = _draw_settings(folder, is_completed=status.state == "completed") if status.is_ours else {}
    if status.is_ours and slurm_fields.asks_slurm(folder):
        changes |= slurm_fields.draw_changes(folder)
    chosen = _draw_states(whole, history, changes.get(EPOCHS) or _epochs(folder)) if whole else None
    for choice in choices:
        if choice.state.problem:
            st.markdown(red(f"{choice.state.path.name} is damaged and cannot be used: {choice.state.problem}"))
    place = st.container()
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Leave it"):
            st.rerun()
        if st.button(
            "Resume", type="primary", icon=":material/resume:", key="resume-confirmed", disabled=None in changes.values()
        ):
            _resume(folder, chosen, changes, place)


def _draw_states(whole: list[Choice], history: History, epochs: int | None) -> Choice:
    names = {choice.state.path.name: choice for choice in whole}
    captions = [plain(f"{choice.tell_left(history, epochs)}; {choice.tell_age()}") for choice in whole]
    picked = st.radio("State", list(names), captions=captions, format_func=lambda name: names[name].label, key="resume-state")
    return names[picked or whole[0].state.path.name]


def _draw_settings(folder: RunFolder, is_completed: bool) -> dict[str, Any]:
    """The settings that a person may change on the way; those that differ from before. None: left empty."""
    epochs, rate = _epochs(folder), find_setting(folder, RATE)
    changed: dict[str, Any] = {}
    left, right = st.columns(2)
    if epochs is not None:
        least = epochs + is_completed
        first = epochs + max(1, epochs // SHARE) if is_completed else epochs
        given = left.number_input(
            "Epochs", least, 10_000, first, key="resume-epochs", help=f"{epochs:,} so far; it can only grow."
        )
        changed |= {EPOCHS: given} if given != epochs else {}
    if isinstance(rate, float):
        bounds: dict[str, Any] = {"min_value": 1e-9, "max_value": 1.0, "step": rate / 10, "format": "%.1e"}
        given = right.number_input("Learning rate", value=rate, key="resume-rate", **bounds)
        changed |= {RATE: given} if given != rate else {}
    return changed


def _epochs(folder: RunFolder) -> int | None:
    epochs = find_setting(folder, EPOCHS)
    return epochs if isinstance(epochs, int) else None


def _resume(folder: RunFolder, chosen: Choice | None, changes: dict[str, Any], place: Any) -> None:
    if slurm_fields.asks_slurm(folder) and (refusal := find_refusal(folder, changes)):
        place.error(plain(refusal), icon=":material/error:")
        return
    try:
        resume_run(folder, chosen.state if chosen else None, changes or None)
    except (RunError, OSError) as error:
        place.error(plain(str(error)), icon=":material/error:")
    else:
        st.rerun()
