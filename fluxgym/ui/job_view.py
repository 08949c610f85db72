"""A job on a page: how far it is, and what can be done about it. Draws itself anew while it runs, and the page when it ends."""

from collections.abc import Callable

import streamlit as st

from fluxgym.job.begin import forget_job, stop_job
from fluxgym.job.folder import DONE, JobStatus, read_job
from fluxgym.ui.text import plain
from fluxgym.view import job_words

EVERY = 2  # s


def draw_job(status: JobStatus, key: str, again: Callable[[], object] | None = None) -> None:
    """`again`: begins it anew, which goes on from what is there; may raise ValueError or OSError, which is then said."""
    if not status.is_active:
        _draw_ended(status, key, again)
        return

    @st.fragment(run_every=EVERY)
    def draw() -> None:
        now = read_job(status.job)
        if now is not None and now.is_active:
            _draw_running(now, key)
        else:
            st.rerun()

    draw()


def _draw_running(status: JobStatus, key: str) -> None:
    told = job_words.tell_progress(status)
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.progress(job_words.find_share(status), text=f"{plain(status.about.title)}: {plain(told)}")
        st.caption(plain(status.said.note) if status.said and status.said.note else "It goes on when you close this page.")
    with right:
        st.button("Stop", icon=":material/stop_circle:", key=f"stop:{key}", on_click=stop_job, args=(status.job,))


def _draw_ended(status: JobStatus, key: str, again: Callable[[], object] | None) -> None:
    icon, colour, word = job_words.STATES[status.state]
    told = " ".join(part for part in (_end_sentence(job_words.tell_progress(status)), status.message) if part)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=f":material/{icon}:", color=colour)
        st.markdown(f"{plain(status.about.title)}. {plain(told)}", width="stretch")
        if again and status.state != DONE:
            label = f"again:{key}"
            st.button("Try again", icon=":material/refresh:", key=label, on_click=_try, args=(again, key))
        st.button(
            "Dismiss", icon=":material/close:", key=f"dismiss:{key}", type="tertiary", on_click=forget_job, args=(status.job,)
        )
    if refusal := st.session_state.pop(f"refusal:{key}", None):
        st.error(plain(refusal), icon=":material/error:")


def _end_sentence(told: str) -> str:
    return f"{told}." if told else ""


def _try(again: Callable[[], object], key: str) -> None:
    try:
        again()
    except (ValueError, OSError) as error:
        st.session_state[f"refusal:{key}"] = str(error)
