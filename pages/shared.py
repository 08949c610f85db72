"""The page of a visitor: one run, as the link in the address shows it. Drawn anew every few seconds; nothing can be pressed."""

from functools import partial

import streamlit as st

from fluxgym.ui import routes, shared_view
from fluxgym.ui.live import live
from fluxgym.ui.visitor import link_in_view

link = link_in_view()
title = shared_view.name(link.folder) if link else "FluxGym"
st.set_page_config(page_title=title, page_icon=routes.ICON, layout="wide")
shared_view.draw_style()
if link is None:
    st.markdown("This link shows nothing: it is not known, or not valid any more.")
    st.stop()
live(partial(shared_view.draw, link.folder, link.parts), key="shared")
shared_view.draw_end(link.expires)
