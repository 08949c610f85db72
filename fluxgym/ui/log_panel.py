"""The training's log and its monitor's: the last lines, what they weigh, how old they are, and the whole as a download."""

from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.log.tail import tail
from fluxgym.run.folders import log_of
from fluxgym.ui import routes
from fluxgym.ui.cards import Look
from fluxgym.ui.log_box import draw_log
from fluxgym.view import words

TRAINING, MONITOR = "Training Log (Persisted)", "Monitor Status & Logs"
LINES = 100
SEARCHED = 20_000  # lines from the end in which a search looks
LEVELS = {"All": (), "Warnings": ("WARNING",), "Errors": ("ERROR", "Error", "CRITICAL", "Traceback")}


def draw_closed(look: Look) -> None:
    """Both logs, each in an expander that is closed until somebody opens it."""
    for title, path, icon in _logs(look):
        with st.expander(title, icon=f":material/{icon}:", key=f"expander:{title}"):
            _draw(look, title, path, height=360)


def draw_both(look: Look) -> None:
    """Both logs, open, the training's with a search."""
    for title, path, icon in _logs(look):
        with st.container(border=True):
            st.markdown(f":material/{icon}: **{title}**")
            _draw(look, title, path, height=480 if title == TRAINING else 200, search=title == TRAINING)


def _logs(look: Look) -> list[tuple[str, Path, str]]:
    folder = look.folder
    return [(TRAINING, log_of(folder), "article"), (MONITOR, folder.monitor_log, "monitor_heart")]


def _draw(look: Look, title: str, path: Path, height: int, search: bool = False) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        level, wanted, count = _draw_search(look) if search else ("All", "", LINES)
        is_filtered = bool(level != "All" or wanted)
        found = tail(path, SEARCHED if is_filtered else count)
        st.button("Refresh", icon=":material/refresh:", key=f"refresh:{title}")
        if found.size:
            st.link_button("Download", routes.file_url(look.folder.name, "logs", path.name), icon=":material/download:")
        age = "not there yet" if found.age_seconds is None else f"last line {words.age(found.age_seconds)}"
        st.caption(f"{age}, {words.size(found.size)}" if found.size else age, width="content")
    lines = [line for line in found.lines if _fits(line, level, wanted)][-count:]
    draw_log(lines, f"log:{look.folder.name}:{title}", title, height, "No line fits." if is_filtered else "No lines yet.")


def _draw_search(look: Look) -> tuple[str, str, int]:
    names = {"All": "All", "Warnings": f"Warnings {look.history.warnings}", "Errors": f"Errors {look.history.errors}"}
    hidden: Any = {"label_visibility": "collapsed"}
    level = st.pills("Level", list(LEVELS), default="All", required=True, format_func=names.get, key="level", **hidden)
    find = {"placeholder": "Search the log", "icon": ":material/search:", "live": True, "width": 200}
    wanted = st.text_input("Search", key="search", **find, **hidden)
    count = st.selectbox("Lines", [LINES, 500, 2000], format_func="last {:,} lines".format, key="lines", width=165, **hidden)
    return level or "All", wanted, count


def _fits(line: str, level: str, wanted: str) -> bool:
    return (not LEVELS[level] or any(word in line for word in LEVELS[level])) and wanted.lower() in line.lower()
