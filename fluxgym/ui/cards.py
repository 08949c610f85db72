"""Runs as cards: one bordered box each with name, state, progress, loss, age, and what can be pressed."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from fluxgym.log.history import History, get_history
from fluxgym.run.folders import log_of
from fluxgym.run.launch import look_after
from fluxgym.run.queue import Ticket
from fluxgym.run.status import Status
from fluxgym.ui import actions, routes
from fluxgym.ui.text import plain
from fluxgym.view import charts, words
from fluxgym.view.summary import Summary, name_loss, smoothed_loss, summarise
from fluxgym.view.under_way import find_time_left, is_preparing
from trainer.folder import RunFolder

COLUMNS = [3.2, 4, 2.2, 2.4]
WITH_LINE = 120  # px, of a loss with its small picture
CHANGES = ("+", "-")  # begin what grew or fell; anything else beside a number is no change


@dataclass(frozen=True)
class Look:
    """A run as it is at this moment."""

    folder: RunFolder
    status: Status
    history: History
    summary: Summary

    @property
    def is_learning(self) -> bool:
        """Whether it makes steps, or draws and saves between them."""
        return self.status.state == "running" and not is_preparing(self.status.state, self.history)


def look_at(folder: RunFolder, line: list[Ticket] | None = None) -> Look:
    """Reads what is new of a run; sends a supervisor where one is missing. `line`: as read_line just told it."""
    status = look_after(folder, line)
    history = get_history(log_of(folder))
    history.update()
    return Look(folder, status, history, summarise(folder, status, history))


def find_face(look: Look) -> tuple[object, ...]:
    """What is drawn of a run outside of the refreshing part: once it changes, the whole page is drawn anew."""
    status, folder = look.status, look.folder
    is_first = status.queue.position == 1 if status.queue else None
    wishes = (folder.save_now.exists(), folder.sample_now.exists()) if status.is_ours and status.state == "running" else ()
    granted = actions.tell_granted(folder, look.history)
    return look.summary.label, status.state, actions.name_stop(status), look.is_learning, is_first, *wishes, *granted


def draw_badge(summary: Summary) -> None:
    """The state as icon, word and colour."""
    st.badge(summary.label, icon=f":material/{summary.icon}:", color=summary.colour)


def draw_numbers(summary: Summary) -> None:
    """The six numbers, in as many columns as there is room for."""
    with st.grid(6, min_column_width=130, gap=("xxsmall", "small"), key="numbers"):
        for name, value, beside in summary.metrics:
            kind: Any = {} if (beside or "")[:1] in CHANGES else {"delta_color": "off", "delta_arrow": "off"}
            st.metric(name, value, beside, **{"delta_color": "inverse", **kind}, height=88)


def draw_card(look: Look) -> None:
    """One run. Call it in a refreshing part for a run that is under way."""
    folder, status, summary = look.folder, look.status, look.summary
    with st.container(border=True, key=f"card:{folder.name}"):
        name, progress, number, pressed = st.columns(COLUMNS, vertical_alignment="center")
        with name:
            st.markdown(f"**{plain(folder.name)}**")
            draw_badge(summary)
        with progress:
            left = find_time_left(status, look.history) if status.is_active else None
            time_left = f". {words.left(left).capitalize()}" if left is not None else ""
            st.progress(summary.progress, text=plain(summary.progress_text + time_left))
            st.caption(plain(summary.sentence))
        with number:
            loss, line = words.loss4(smoothed_loss(look.history)), charts.sparkline(look.history)
            st.metric(name_loss(look.history), loss, chart_data=line or None, height=WITH_LINE if line else "content")
        with pressed:
            with st.container(horizontal=True, horizontal_alignment="right"):
                if st.button("Open", key=f"open:{folder.name}"):
                    routes.open_run(folder.name)
                actions.draw_moves(folder, status)
                actions.draw_stop(folder, status)
                actions.draw_resume(folder, status)
            st.caption(plain(summary.age_text), text_alignment="right")
