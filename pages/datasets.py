"""The Data sets page: all of them, or the one that the address names, with its images and captions."""

import streamlit as st

from fluxgym.ui import live, sets_view
from fluxgym.ui.header import draw_header

path = sets_view.find_in_view()
_, right = draw_header(path.name if path else "Data sets")
if path is None:
    with right:
        sets_view.draw_make()
    sets_view.draw_list()
    live.come_back()
    st.stop()

with right:
    sets_view.draw_actions(path)
sets_view.draw_set(path)
live.come_back()
