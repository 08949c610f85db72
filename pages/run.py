"""The Run page: one run, alive? where? any good? what next? The run and the tab are in the address."""

from functools import partial

import streamlit as st

from fluxgym.run.folders import NoSuchRun, find_run, list_runs
from fluxgym.ui import actions, cards, routes, run_view
from fluxgym.ui.live import live
from fluxgym.ui.text import plain

runs = list_runs()
name = routes.run_in_view() or (runs[0].name if runs else None)
if name is None:
    st.title("No run yet", anchor=False)
    st.markdown("Here you will see how a training goes.")
    if st.button("New training", type="primary", icon=":material/add:"):
        st.switch_page(routes.TRAIN)
    st.stop()
try:
    folder = find_run(name)
except NoSuchRun as error:
    st.title("No such run", anchor=False)
    st.markdown(plain(str(error)))
    routes.forget_run()
    if st.button("Show all runs", type="primary", icon=":material/view_list:"):
        st.switch_page(routes.RUNS)
    st.stop()

look = cards.look_at(folder)
title, pressed = st.columns([3, 2], vertical_alignment="center")
with title.container(horizontal=True, vertical_alignment="center"):
    st.title(plain(folder.name), anchor=False, width="content")
    cards.draw_badge(look.summary)
with pressed.container(horizontal=True, horizontal_alignment="right"):
    actions.draw_again(folder, look.status)
    actions.draw_stop(folder, look.status)
    if look.status.state != "failed":
        actions.draw_resume(folder, look.status, is_primary=True)
actions.answer()
live(partial(run_view.draw, folder, look.summary.label), key="run")
