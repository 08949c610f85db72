"""The choice of the base model on the Train page."""

import streamlit as st

from fluxgym.form import form
from fluxgym.ui import fields
from fluxgym.ui.text import plain


def draw_base() -> None:
    values = fields.values()
    chosen = form.find_base(values)
    labels = [base.label for base in form.BASES]
    if st.session_state.get("base") not in labels or st.session_state.base_of != values["model.base"]:
        st.session_state.base, st.session_state.base_of = chosen.label, values["model.base"]
    st.selectbox("Base model", labels, key="base", on_change=_choose_base, help=form.explain("model.base"))
    st.caption(plain(chosen.note))
    if not chosen.base:
        fields.text("model.base", "Folder or name", placeholder="models/my-flux, or owner/name")


def _choose_base() -> None:
    base = next(base for base in form.BASES if base.label == st.session_state.base)
    fields.change(form.follow(fields.values(), {"model.base": base.base}))
    st.session_state.base_of = base.base
