"""What the look before the start found, in a dialog of the Train page: errors stop it, warnings ask once."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from fluxgym.form.catalogue import find_setting
from fluxgym.preflight.report import ERROR, FINE, WARNING, Finding, Report
from fluxgym.ui.text import plain
from fluxgym.view import words

ICONS = {ERROR: ":red[:material/error:]", WARNING: ":orange[:material/warning:]", FINE: ":green[:material/check_circle:]"}
ASKED, FOUND, READ = "look-asked", "look-found", "look-read"  # of the session: settings, a report, settings
TABLE = "Which image is cropped to what"


def look(said: str, preflight: Callable[[], Report], pressed: bool) -> bool:
    """Looks at everything that a training needs once Start was `pressed`. Whether to begin: at once where nothing is to be
    said, else when somebody has read it and pressed Start anyway. `said`: all that is looked at, as text.

    What was pressed and what was found are kept: an image that arrives or a caption that is kept begins the page anew."""
    if st.session_state.pop(READ, None) == said:
        return True
    if pressed:
        st.session_state[ASKED] = said
        st.session_state.pop(FOUND, None)
    if st.session_state.get(ASKED) != said:
        return False
    report = st.session_state.get(FOUND)
    if report is None:
        with st.spinner("Looking at everything it needs ..."):
            report = preflight()
    if report.errors or report.warnings:
        st.session_state[FOUND] = report
        _tell(report, said)
        return False
    _close()
    return True


def _close() -> None:
    for key in (ASKED, FOUND):
        st.session_state.pop(key, None)


@st.dialog("Before it starts", width="large", icon=":material/checklist:", on_dismiss=_close)
def _tell(report: Report, said: str) -> None:
    draw_report(report)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Back", on_click=_close):
            st.rerun()
        go: dict[str, Any] = {"type": "primary", "icon": ":material/play_arrow:", "on_click": _note_read, "args": (said,)}
        if not report.errors and st.button("Start anyway", key="start-anyway", **go):
            st.rerun()


def _note_read(said: str) -> None:
    _close()
    st.session_state[READ] = said


def draw_report(report: Report) -> None:
    """All findings, the worst first, and the table of images."""
    st.markdown(_head(report))
    for finding in [*report.errors, *report.warnings]:
        _draw(finding)
    fine = [finding for finding in report.findings if finding.level == FINE]
    with st.expander(f"What is in order ({len(fine)})"):
        for finding in fine:
            _draw(finding)
    if report.buckets:
        with st.expander(TABLE):
            st.dataframe(make_table(report), hide_index=True)


def make_table(report: Report) -> list[dict[str, str]]:
    """One row an image, the one that loses most first."""
    rows = sorted(report.buckets, key=lambda row: (-row.cropped, row.name))
    return [
        {
            "Image": row.name,
            "Size, px": f"{row.size[0]} x {row.size[1]}",
            "Learned at, px": ", ".join(f"{width} x {height}" for width, height in row.sizes),
            "Cut off": f"{row.cropped:.0%}",
            "Note": "smaller than the resolution" if row.is_small else "",
        }
        for row in rows
    ]


def name_subject(subject: str) -> str:
    """A setting as the form calls it, of a run of a sweep with that run's name; anything else as it is."""
    run, colon, rest = subject.rpartition(": ")
    setting = find_setting(rest)
    return run + colon + (setting.label if setting else rest if run else rest[:1].upper() + rest[1:])


def _head(report: Report) -> str:
    if report.errors:
        return f"Not started, nothing was written: {words.plural(len(report.errors), 'thing')} to set right."
    return f"{words.plural(len(report.warnings), 'thing')} to know; it can be started all the same."


def _draw(finding: Finding) -> None:
    fix = f"  \n:small[{plain(finding.fix)}]" if finding.fix else ""
    st.markdown(f"{ICONS[finding.level]} **{plain(name_subject(finding.subject))}**: {plain(finding.what)}{fix}")
