"""Step 2 of the Train page: where the images come from, how they are uploaded, and their captions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.dataset import images
from fluxgym.dataset.captions import find_place
from fluxgym.dataset.sets import list_sets
from fluxgym.form import form
from fluxgym.run.folders import shown_path
from fluxgym.ui import caption_grid, captioning_view, fields
from fluxgym.ui.bind import bind
from fluxgym.ui.dropzone import draw_dropzone

NEW, THERE, FOLDER = "New data set", "One that is there", "A folder on this machine"
HEIGHT = "78vh"  # of the box of captions: what comes below it is not far away


def draw_source() -> None:
    """A new data set, one that other runs use, too, or a folder that is on this machine."""
    values = fields.values()
    sets = list_sets()
    choices = [NEW, THERE, FOLDER] if sets else [NEW, FOLDER]
    held = st.session_state.get("source", find_source(values))
    bound = bind("source", held if held in choices else NEW, "default")
    source = st.segmented_control(
        "Images", choices, required=True, on_change=_choose_source, label_visibility="collapsed", **bound
    )
    if source == FOLDER:
        fields.text("data.folder", "Folder with images, each with its caption in a .txt file beside it")
        return
    if source == THERE:
        _draw_choice(sets)
    target = upload_target(values) if source == NEW else values["data.folder"]
    if source == NEW or target:
        draw_upload(target, on_arrival=lambda: fields.change({"data.folder": target}))
    fields.show_problem("data.folder")


def draw_upload(target: str, on_arrival: Callable[[], None] = lambda: None) -> None:
    """Takes images and captions into a data set, as data.folder names it; empty while there is none."""
    kinds = "with their captions as .txt files of the same names, in folders or in a zip"
    where = (
        f"{kinds}. They go to {target} at once." if target else "Give the training a name first: the folder is named after it."
    )
    draw_dropzone(target, where, "drop", on_arrival)


def draw_captions() -> None:
    """The images of the form with their captions, in a box of their own."""
    values = fields.values()
    place = find_place(values["data.folder"])
    if place is not None and (not place.is_dir() or any(place.iterdir())):
        captioning_view.draw_captioning(place, values["trigger"])
        caption_grid.draw_captions(place, values["trigger"], largest(values["data.resolution"]), HEIGHT)


def find_source(values: form.Values) -> str:
    """Which of the three the form holds."""
    if not form.is_upload(values):
        return FOLDER
    own = form.upload_folder(values["name"])
    return NEW if values["data.folder"] in ("", own) else THERE


def upload_target(values: form.Values) -> str:
    """The folder that takes the uploads, empty while there is none."""
    return values["data.folder"] or form.upload_folder(values["name"])


def largest(resolution: Any) -> int:
    """Of what may be one side in px or several."""
    sides = resolution if isinstance(resolution, list) else [resolution]
    return max((int(side) for side in sides if str(side).isdecimal()), default=512)


def _draw_choice(sets: list[Path]) -> None:
    shown = {shown_path(path): path for path in sets}
    chosen = fields.values()["data.folder"]
    st.session_state["set"] = chosen if chosen in shown else None

    def tell(place: str) -> str:
        count = len(images.list_images(shown[place]))
        return f"{shown[place].name}, {count} image{'' if count == 1 else 's'}"

    st.selectbox("Data set", list(shown), key="set", format_func=tell, placeholder="Choose a data set", on_change=_choose_set)


def _choose_set() -> None:
    fields.change({"data.folder": st.session_state["set"] or ""})


def _choose_source() -> None:
    values = fields.values()
    source, is_upload = st.session_state.source, form.is_upload(values)
    own = form.upload_folder(values["name"])
    if source == FOLDER and is_upload and not form.has_images(values["data.folder"]):
        fields.change({"data.folder": ""})
    if source == NEW and values["data.folder"] != own:
        fields.change({"data.folder": own})
    if source == THERE and not (is_upload and form.has_images(values["data.folder"])):
        fields.change({"data.folder": ""})
