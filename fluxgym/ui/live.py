"""The part of a page that is drawn again every few seconds, while forms, dialogs and selections around it stay."""

from collections.abc import Callable

import streamlit as st
from streamlit_autorefresh import st_autorefresh

EVERY = 5  # s


def live(draw: Callable[[], None], key: str) -> None:
    """Draws now and every EVERY seconds, in a fragment of its own. Call it at the end of a page."""

    @st.fragment
    def refreshed() -> None:
        draw()
        with st.container(key="timer"):
            st_autorefresh(EVERY * 1000, key=f"{key}-timer")

    refreshed()
    come_back()


@st.fragment(run_every=3600)
def come_back() -> None:
    """Draws nothing. After a restart of the server a browser asks for the whole page only if it knows such a timer;
    st_autorefresh is none, and without this a page could stay as it was for ever."""
