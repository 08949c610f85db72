"""The images of a data set with their captions: upload, look, write, remove."""

from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.dataset import images
from fluxgym.form import form
from fluxgym.run.folders import PROJECT
from fluxgym.ui import fields
from fluxgym.ui.text import plain, red
from trainer.listing import CAPTIONS

PAGE = 12  # images shown at once
UPLOAD, FOLDER = "Upload", "A folder on this machine"


def draw_source() -> None:
    """Where the images come from: an upload, or a folder that is there."""
    values = fields.values()
    st.session_state.setdefault("source", UPLOAD if form.is_upload(values) else FOLDER)
    source = st.segmented_control(
        "Images", [UPLOAD, FOLDER], key="source", required=True, on_change=_choose_source, label_visibility="collapsed"
    )
    if source == FOLDER:
        fields.text("data.folder", "Folder with images, each with its caption in a .txt file beside it")
        return
    target = upload_target(values)
    where = (
        f"They go to {plain(target)} at once." if target else "Give the training a name first: the folder is named after it."
    )
    st.file_uploader(
        f"Images and, if you have them, their captions as .txt files of the same names. {where}",
        type=[suffix[1:] for suffix in (*images.IMAGES, images.CAPTION)],
        accept_multiple_files=True,
        key=f"upload-{st.session_state.get('uploads', 0)}",
        on_change=_save_uploads,
        disabled=not target,
    )
    for refused in st.session_state.get("refused", []):
        st.markdown(red(refused))
    fields.show_problem("data.folder")


def draw_gallery(found: list[Path]) -> None:
    """The images by name, PAGE at a time, each with its caption to write."""
    if not found:
        return
    pages = (len(found) - 1) // PAGE + 1
    page = st.pills("Page", range(1, pages + 1), default=1, required=True, label_visibility="collapsed") if pages > 1 else 1
    editable, removable = is_editable(found[0].parent), images.is_uploaded(found[0].parent)
    with st.grid(4, min_column_width=135):
        for image in found[PAGE * (page - 1) : PAGE * page]:
            with st.container(key=f"image:{image}", gap="xsmall"):
                st.html(_picture(image))
                if editable:
                    _draw_caption(image)
                else:
                    st.caption(plain(images.read_caption(image)))
                if removable and st.button("Remove", key=f"remove:{image}", type="tertiary", icon=":material/delete:"):
                    _ask_to_remove(image)
    if not editable:
        st.caption("These images belong to FluxGym's demo: they are only looked at.")


def draw_lonely(lonely: list[Path]) -> None:
    """Captions without an image, which a training does not begin with; those that were uploaded can be removed here."""
    for caption in filter(images.is_uploaded, lonely):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{plain(caption.name)}: a caption without an image", width="content")
            if st.button("Remove", key=f"remove:{caption}", type="tertiary", icon=":material/delete:"):
                _ask_to_remove(caption)


def is_editable(folder: Path) -> bool:
    """Captions of one's own data are written; what came with FluxGym is only looked at."""
    return not folder.resolve().is_relative_to(PROJECT / "trainer")


def upload_target(values: form.Values) -> str:
    """The folder that takes the uploads, empty while there is none."""
    return values["data.folder"] or form.upload_folder(values["name"])


def _draw_caption(image: Path) -> None:
    key = f"caption:{image}"
    on_disk = images.read_caption(image)
    if key not in st.session_state or st.session_state[key].strip() != on_disk:
        st.session_state[key] = on_disk
    st.text_area(
        f"Caption of {image.name}",
        key=key,
        height=92,
        label_visibility="collapsed",
        placeholder="What is to be seen; [trigger] stands for the trigger word",
        on_change=lambda: images.write_caption(image, st.session_state[key]),
    )


def _picture(image: Path) -> str:
    source = images.thumbnail(image)
    style = "width:100%;aspect-ratio:1;border-radius:0.5rem;display:block;"
    name = escape(image.name, quote=True)
    if not source:
        return f'<div style="{style}border:1px solid #b3261e;padding:0.5rem;overflow:hidden">{name} cannot be opened</div>'
    return f'<img src="{source}" alt="{name}" title="{name}" style="{style}object-fit:cover">'


def _choose_source() -> None:
    values = fields.values()
    if st.session_state.source == FOLDER and form.is_upload(values) and not form.has_images(values["data.folder"]):
        fields.change({"data.folder": ""})
    if st.session_state.source == UPLOAD and (not values["data.folder"] or not form.is_upload(values)):
        fields.change({"data.folder": form.upload_folder(values["name"])})


def _save_uploads() -> None:
    """Writes what came in, and begins a new upload: what counts is the folder, never the widget."""
    number: int = st.session_state.get("uploads", 0)
    uploads: list[Any] = st.session_state[f"upload-{number}"]
    fields.change({"data.folder": upload_target(fields.values())})
    folder = PROJECT / fields.values()["data.folder"]
    st.session_state.refused = []
    for upload in uploads:
        try:
            images.save_upload(folder, upload.name, upload.getvalue())
        except ValueError as error:
            st.session_state.refused.append(str(error))
    st.session_state.uploads = number + 1


@st.dialog("Remove?", icon=":material/delete:")
def _ask_to_remove(path: Path) -> None:
    what = f"**{plain(path.name)}** is" if path.suffix in CAPTIONS else f"**{plain(path.name)}** and its caption are"
    st.markdown(f"{what} deleted from {plain(path.parent.name)}.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Remove", type="primary", key="remove-confirmed", on_click=images.remove, args=(path,)):
            st.rerun()
