"""The Models page: which base models there are, which are on this machine, downloads, and the token for gated ones."""

import streamlit as st

from fluxgym.ui import live, models_view, token_view
from fluxgym.ui.header import draw_header
from fluxgym.view.model_words import take_stock

draw_header("Models")
stock = take_stock()
models, beside = st.columns([2.4, 1], gap="medium")
with models:
    models_view.draw_known(stock)
    st.subheader("Others on this machine", anchor=False)
    models_view.draw_others(stock)
with beside:
    token_view.draw_token()
    models_view.draw_places()
live.come_back()
