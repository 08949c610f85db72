"""The first two steps of the Train page: what is learned, and from which images."""

import streamlit as st

from fluxgym.form.check import Checked
from fluxgym.ui import base_view, fields, gallery, steps
from fluxgym.view import words

_ABOUT = ("name", "trigger", "model.base")
_IMAGES = ("data.folder",)


def draw_about(checked: Checked) -> None:
    """Step 1: what is to be learned, and on which model."""
    with st.container(border=True):
        steps.draw_title(1, "What it learns", not steps.is_wrong(checked, _ABOUT))
        left, right = st.columns(2)
        with left:
            fields.text("name", "Name", max_chars=None, placeholder="my-lora")
        with right:
            fields.text("trigger", "Trigger word", placeholder="sks person")
        base_view.draw_base()


def draw_images(checked: Checked) -> None:
    """Step 2: images and captions."""
    with st.container(border=True):
        steps.draw_title(2, "Images and captions", not steps.is_wrong(checked, _IMAGES))
        gallery.draw_source()
        if checked.images:
            without = len(checked.images) - checked.captioned
            rest = f"; the {without} without get the trigger word as their caption" if without else ""
            st.caption(f"{words.plural(len(checked.images), 'image')}, {checked.captioned} with a caption{rest}.")
        gallery.draw_captions()
