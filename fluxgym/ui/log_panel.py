"""The logs of a run: closed below the charts, with the last lines and no more than a page needs; and in a tab of their own."""

from pathlib import Path

import streamlit as st

from fluxgym.log.tail import tail
from fluxgym.run.folders import log_of
from fluxgym.run.old_logs import find_moved
from fluxgym.run.record import ENDED
from fluxgym.ui import old_logs_view, routes
from fluxgym.ui.cards import Look
from fluxgym.ui.log_box import draw_log
from fluxgym.ui.log_view import draw_view
from fluxgym.ui.text import plain
from fluxgym.view import words
from fluxgym.view.ended import tell_log
from fluxgym.view.logs import MONITOR, TRAINING, list_logs

LINES = 100


def draw_closed(look: Look) -> None:
    """Both logs, each in an expander that is closed, and costs nothing, until somebody opens it. They need no route and no
    connection of their own: what the page sends every few seconds is all."""
    folder = look.folder
    for title, key, path, icon in (
        ("Training Log (Persisted)", TRAINING, log_of(folder), "article"),
        ("Monitor Status & Logs", MONITOR, folder.monitor_log, "monitor_heart"),
    ):
        panel = st.expander(title, icon=f":material/{icon}:", key=f"expander:{key}", on_change="rerun")
        if panel.open:
            with panel:
                _draw(look, title, key, path)


def draw_both(look: Look) -> None:
    """All logs of the run, one at a time."""
    logs, moved = list_logs(look.folder), find_moved(look.folder)
    if moved:  # it is this run's
        logs = sorted((log for log in logs if log.key != TRAINING), key=lambda log: log.path != moved.log)
    if told := tell_log(look.folder, look.status, look.history):
        st.caption(plain(f"{told} It is shown below." if moved else told))
    attempts = 0 if look.folder.is_read_only else len(look.history.attempts)  # another tool writes no line that begins one
    draw_view(look.folder.name, [(log.key, log.title) for log in logs], attempts, has_ended=look.summary.state in ENDED)
    old_logs_view.draw_button(look)


def _draw(look: Look, title: str, key: str, path: Path) -> None:
    told = tell_log(look.folder, look.status, look.history) if key == TRAINING else ""
    if told:
        st.caption(plain(told))
    if told and (moved := find_moved(look.folder)):
        key, path = f"{moved.path.name}-{TRAINING}", moved.log
    try:
        found = tail(path, LINES)
    except OSError as error:
        st.caption(plain(f"{path.name} cannot be read: {error.strerror or error}."))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Refresh", icon=":material/refresh:", key=f"refresh:{key}")
        if found.size:
            st.link_button("Download", routes.log_url(look.folder.name, key), icon=":material/download:")
        missing = "not there" if look.status.state in ENDED else "not there yet"
        age = missing if found.age_seconds is None else f"last line {words.age(found.age_seconds)}"
        st.caption(f"{age}, {words.size(found.size)}" if found.size else age, width="content")
    draw_log(found.lines, f"log:{look.folder.name}:{key}", title)
