"""The Compare page: two to six runs side by side. Which ones is in the address: ?runs=a,b."""

from functools import partial

import streamlit as st

from fluxgym.run.status import read_status
from fluxgym.ui import compare_view, opened_view, routes
from fluxgym.ui.header import draw_header
from fluxgym.ui.live import come_back, live

routes.leave_run()
_, right = draw_header("Compare")
with right:
    opened_view.draw_open()
folders = compare_view.choose()
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
