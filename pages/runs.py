"""The Runs page: what is under way, drawn anew every few seconds; what ended earlier; folders of others that were opened; for a
newcomer, the way to the demo."""

from functools import partial

import streamlit as st

from fluxgym.run.folders import list_opened
from fluxgym.ui import actions, opened_view, routes, runs_view, sweep_view
from fluxgym.ui.header import draw_header
from fluxgym.ui.live import live
from fluxgym.view.order import sort_runs

routes.leave_run()
active, earlier = sort_runs(only_text=True)
opened = list_opened()

_, right = draw_header("Active Training Sessions", "Runs - FluxGym")
with right:
    opened_view.draw_open()
    if len(active) + len(earlier) + len(opened) > 1 and st.button("Compare", icon=":material/compare_arrows:"):
        st.switch_page(routes.COMPARE)
    if (active or earlier) and st.button("New training", icon=":material/add:", type="primary"):
        st.switch_page(routes.TRAIN)
actions.answer()

if not (active or earlier):
    runs_view.draw_welcome()
sweep_view.draw_recent(active, earlier)
live(partial(runs_view.draw_active, active, len(earlier)), key="runs")
if earlier:
    st.subheader("Earlier", anchor=False)
    runs_view.draw_earlier(earlier)
if opened:
    st.subheader("Opened folders", anchor=False)
    opened_view.draw_list(opened)
