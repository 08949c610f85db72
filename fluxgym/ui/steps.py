"""The heads of the Train page's steps, each with a mark that says whether it is complete."""

import streamlit as st

from fluxgym.form.check import Checked


def draw_title(number: int, title: str, is_complete: bool) -> None:
    mark = ":green[:material/check_circle:]" if is_complete else f":gray[:material/counter_{number}:]"
    st.subheader(f"{mark} {title}", anchor=False)


def is_wrong(checked: Checked, keys: tuple[str, ...]) -> bool:
    return any(key in checked.problems for key in keys)
