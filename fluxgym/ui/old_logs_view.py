"""The button and the dialog of old logs: which there are, archiving that of an ended run, deleting those of long ago."""

import time
from collections.abc import Callable
from functools import partial

import streamlit as st

from fluxgym.log.parts import list_parts
from fluxgym.run.launch import RunError, refuse_active
from fluxgym.run.old_logs import Archived, archive_log, delete, find_older, list_archived
from fluxgym.ui.cards import Look
from fluxgym.ui.text import plain
from fluxgym.view import words
from trainer.folder import RunFolder

ASKED, DAYS = "old-logs-asked", "old-logs-days"
MONTH = 30  # days


def draw_button(look: Look) -> None:
    """What opens the dialog; nothing for a folder that is only read. `answer` draws it, outside of the refreshing part."""
    if look.folder.is_read_only:
        return
    found = [each for each in list_archived(look.folder) if each.files]
    told = f"{words.plural(len(found), 'earlier log')}, {words.size(sum(each.size for each in found))}" if found else "None yet"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button("Old logs", icon=":material/inventory_2:", key="old-logs", help="Archive the log, or delete old ones"):
            st.session_state[ASKED] = True
            st.rerun()
        st.caption(told, width="content")


def answer(folder: RunFolder) -> None:
    """The dialog, where it was asked for. Once a page."""
    if st.session_state.pop(ASKED, False):
        _draw(folder)


@st.dialog("Old logs", icon=":material/inventory_2:", width="medium")
def _draw(folder: RunFolder) -> None:
    _draw_list(list_archived(folder))
    is_active = _is_active(folder)
    hindrance = "Not while the run is under way." if is_active else "" if list_parts(folder.training_log) else "It has no log."
    st.markdown("**Archive the log of this run**")
    st.caption(
        hindrance
        or "It moves away, packed, and stays readable in the list of logs. The curve begins anew; a resume begins a new log. "
        "LoRA files, states and samples stay where they are."
    )
    if st.button("Archive it", icon=":material/archive:", disabled=bool(hindrance), key="archive-log"):
        _try(partial(archive_log, folder))
    st.markdown("**Delete old logs**")
    days = st.number_input("Older than, in days", 0, 10_000, MONTH, key=DAYS, help="0: all of them")
    found = find_older(folder, days)
    st.caption(f"{f'Not while {plain(folder.name)} is under way. ' if found and is_active else ''}{_tell_loss(found, days)}")
    label = f"Delete {words.plural(len(found), 'log')} for good" if found else "Delete"
    if st.button(label, icon=":material/delete:", disabled=is_active or not found, key="delete-logs"):
        _try(partial(delete, folder, days))


def _draw_list(found: list[Archived]) -> None:
    if not found:
        st.markdown("No log was archived yet. A fresh start under this name archives the old one by itself.")
        return
    rows = ["| Archived | Log | Beside it |", "|---|---|---|"]
    for each in found:
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.archived))
        rows.append(f"| {date} | {words.size(each.size) if each.files else 'deleted'} | {each.keeps or 'nothing'} |")
    st.markdown("\n".join(rows))


def _tell_loss(found: list[Archived], days: float) -> str:
    if not found:
        return f"No archived log is older than {words.plural(int(days), 'day')}." if days else "There is none."
    told = (
        f"{words.plural(len(found), 'log')}, {words.size(sum(each.size for each in found))}, and the curves in them are lost."
    )
    kept = ", ".join(each.keeps for each in found if each.keeps)
    return f"{told} What lies beside them stays: {kept}." if kept else told


def _is_active(folder: RunFolder) -> bool:
    try:
        refuse_active(folder)
    except RunError:
        return True
    return False


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except (RunError, OSError) as error:
        st.session_state.refusal = str(error)
    st.rerun()
