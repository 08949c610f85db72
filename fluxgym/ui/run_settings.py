"""The Settings tab of the Run page: what is done for the run without being asked, and what it was started with.

It lies outside of the refreshing part, so that nothing is lost while somebody chooses."""

import dataclasses
import shlex
from typing import Any

import streamlit as st

from fluxgym.run.care import read_care, write_care
from fluxgym.run.record import Record, read_record
from fluxgym.run.status import Status
from fluxgym.ui import care_fields
from fluxgym.ui.text import plain, red
from trainer.folder import RunFolder


def draw(folder: RunFolder, status: Status) -> None:
    """The choices of a run of ours, then its settings; of another command its words and where it was started."""
    record = read_record(folder)
    if record and not record.problem and not folder.is_read_only:
        with st.container(border=True):
            st.markdown("**Care**")
            _draw_care(folder, status, record.is_ours)
    if folder.config.is_file():
        st.caption(plain(f"{folder.config}: what the training reads when it begins. What a resume changed is kept in logs/."))
        st.code(folder.config.read_text(encoding="utf-8", errors="replace"), language="toml")
    elif record and record.command:
        _draw_command(record)
    else:
        st.caption(f"There is no {folder.config.name} in this folder.")


def _draw_care(folder: RunFolder, status: Status, is_ours: bool) -> None:
    def keep(name: str, value: Any) -> None:
        try:
            write_care(folder, dataclasses.replace(read_care(folder), **{name: value}))
        except (OSError, ValueError) as error:
            st.session_state.care_refusal = str(error)
        else:
            st.session_state.care_kept = folder.name

    care = care_fields.Kept(f"care:{folder.name}:", dataclasses.asdict(read_care(folder)), keep)
    is_new = st.session_state.pop("care_kept", None) == folder.name
    kept = ":green[:material/check_circle:] Kept, it" if is_new else "Each choice is kept at once, and"
    st.caption(f"{kept} holds from the supervisor's next look on.")
    care_fields.draw_when_stuck(care)
    care_fields.draw_by_itself(care, is_ours)
    if not status.is_active or (status.state == "queued" and not status.job):  # a job is the cluster's to place
        care_fields.draw_place(care, with_slurm=not status.is_active)
    care_fields.draw_notify(care)
    if refusal := st.session_state.pop("care_refusal", None):
        st.markdown(red(refusal))


def _draw_command(record: Record) -> None:
    st.caption("Started with a command of its own, which holds its settings.")
    st.code(shlex.join(record.command), language="bash", wrap_lines=True)
    if record.cwd:
        st.caption("In the folder")
        st.code(record.cwd, language=None)
