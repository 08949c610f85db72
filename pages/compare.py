"""The Compare page: two to six runs side by side, in the address: ?runs=a,b. Or a sweep, ?sweep=name: all its runs in a table,
and some of them side by side below it."""

from functools import partial

import streamlit as st

from fluxgym.run.status import read_status
from fluxgym.sweep.mark import find_members
from fluxgym.ui import actions, compare_view, opened_view, routes, sweep_view
from fluxgym.ui.header import draw_header
from fluxgym.ui.live import come_back, live
from fluxgym.ui.text import plain

routes.leave_run()
sweep = sweep_view.in_view()
members = find_members(sweep) if sweep else []
beside, right = draw_header(f"Sweep {sweep}" if sweep else "Compare")
if sweep and not members:
    st.markdown(plain(f"No run of a sweep {sweep[:80]} is here."))
    if st.button("Show all runs", type="primary", icon=":material/view_list:"):
        st.switch_page(routes.RUNS)
    come_back()
    st.stop()
with right:
    if sweep:
        sweep_view.draw_actions(sweep, members)
    else:
        opened_view.draw_open()
actions.answer()
if sweep:
    folders = sweep_view.draw(sweep, members)
else:
    folders = compare_view.choose()
    with beside:
        sweep_view.draw_way_of(folders)
if len(folders) < 2:
    st.markdown("Choose two runs or more to see their losses in one chart, where their settings differ, and their samples.")
    come_back()
    st.stop()

is_live = any(read_status(folder).is_active for folder in folders)
draw = partial(compare_view.draw, folders, is_live)
if is_live:
    live(draw, key="compare")
else:
    st.fragment(draw)()
    come_back()
