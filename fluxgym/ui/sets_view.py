"""The Data sets page: what there is, and one of them with its images and captions. Which one is in the address."""

import time
from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st

from fluxgym.dataset import sets
from fluxgym.dataset.captions import Captioned
from fluxgym.dataset.sets import SetError, Summary
from fluxgym.run.folders import shown_path
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.ui import caption_grid, captioning_view, fields, gallery, routes
from fluxgym.ui.bind import bind
from fluxgym.ui.set_files import picture_url
from fluxgym.ui.text import plain
from fluxgym.view import words
from trainer.folder import RunFolder

QUERY = "set"
STRIP = 6  # pictures of a data set in the list
NAMED = 2  # runs that are named
DONE, REFUSED = "sets-done", "sets-refused"
RULE = "1 to 64 letters, digits, '.', '_' or '-'. It is the name of its folder, too."
STYLE = "width:4.2rem;height:4.2rem;object-fit:cover;border-radius:0.4rem;background:rgba(128,128,128,.12)"


def find_in_view() -> Path | None:
    """The data set that the address names; says so where there is none of this name."""
    if DONE in st.session_state:
        _put(st.session_state.pop(DONE))
        st.session_state.pop("other-name", None)
    name = st.query_params.get(QUERY)
    found = sets.find_set(name) if name else None
    if name and not found:
        st.warning(f"There is no data set called {plain(name[:80])}. These are there.", icon=":material/search_off:")
    return found


def draw_make() -> None:
    """The way to a new one."""
    label = "New data set"
    if st.button(label, icon=":material/add:", type="primary", key="make-set"):
        _ask_to_make()


def draw_list() -> None:
    """All data sets, the most recently changed first."""
    there = sets.list_sets()
    if not there:
        with st.container(border=True):
            st.markdown("A data set is a folder of images with their captions, for any number of trainings.")
            st.caption(
                "It is made here, or on the Train page when images are dropped there, "
                f"and lies in {plain(shown_path(sets.datasets_root()))}."
            )
    for path in there:
        _draw_row(path)


def draw_actions(path: Path) -> None:
    """What can be done with one."""
    if st.button("All data sets", icon=":material/arrow_back:", type="tertiary"):
        _show("")
    if st.button("Rename", icon=":material/edit:"):
        _ask_to_rename(path)
    if st.button("Delete", icon=":material/delete:"):
        _ask_to_delete(path)
    if st.button("Train with it", icon=":material/add_circle:", type="primary"):
        fields.change({"data.folder": shown_path(path)})
        st.session_state.pop("source", None)
        st.switch_page(routes.TRAIN)


def draw_set(path: Path) -> None:
    """One of them: what it is, more images, captions by a model, every caption."""
    summary, users = sets.summarise(path), sets.find_users(path)
    st.caption(plain(f"{tell(summary)}. {tell_users(users)}"))
    if summary.problem:
        st.warning(plain(summary.problem), icon=":material/warning:")
    gallery.draw_upload(shown_path(path))
    key = f"trigger:{path.name}"
    held = st.session_state[key] if key in st.session_state else find_trigger(path, users)
    told = (
        "Finds the captions without it, and is put before those that a model writes. A training has its own, on the Train page."
    )
    trigger = st.text_input("Trigger word", help=told, live=True, width=320, **bind(key, held))
    if summary.images:
        captioning_view.draw_captioning(path, trigger)
        caption_grid.draw_captions(path, trigger, gallery.largest(fields.values()["data.resolution"]))


def tell(summary: Summary) -> str:
    """150 images, 148 with a caption, 312.0 MiB, changed 3 h ago"""
    captioned = f"{summary.captioned:,} with a caption" if summary.images else "no captions"
    changed = words.age(time.time() - summary.changed)
    return f"{words.plural(len(summary.images), 'image')}, {captioned}, {words.size(summary.size)}, changed {changed}"


def tell_users(users: list[RunFolder]) -> str:
    """Used by cat-2, cat and 3 more runs."""
    if not users:
        return "No run uses it."
    names = ", ".join(folder.title for folder in users[:NAMED])
    return f"Used by {names}" + (f" and {words.plural(len(users) - NAMED, 'more run')}." if users[NAMED:] else ".")


def find_trigger(path: Path, users: list[RunFolder]) -> str:
    """That of the form where it is about this data set, or of the last run that used it."""
    values = fields.values()
    if values["trigger"] and sets.is_named(values["data.folder"], path):
        return str(values["trigger"])
    for folder in users:
        try:
            said = read_settings(folder).get("trigger")
        except SettingsError:
            continue
        if said and isinstance(said, str):
            return said
    return ""


def _draw_row(path: Path) -> None:
    summary = sets.summarise(path)
    with st.container(border=True, key=f"set:{path.name}"):
        name, strip, about, does = st.columns([2.4, 4, 2.6, 1], vertical_alignment="center")
        with name:
            st.markdown(f"**{plain(path.name)}**")
            st.caption(plain(tell(summary).partition(", changed")[0]))
        strip.html(_make_strip(path, summary.images))
        with about:
            st.caption(plain(tell_users(sets.find_users(path))))
            st.caption(f"Changed {words.age(time.time() - summary.changed)}")
        with does, st.container(horizontal_alignment="right"):
            if st.button("Open", key=f"open-set:{path.name}", width="stretch"):
                _show(path.name)


def _make_strip(path: Path, images: list[Path]) -> str:
    shown = (
        Captioned(image, image.relative_to(path).as_posix(), image.name)
        for image in images[:STRIP]
        if image.is_relative_to(path)
    )
    pictures = (
        f'<img src="{escape(picture_url(path, image), quote=True)}&amp;small=1" alt="{escape(image.name, quote=True)}" '
        f'loading="lazy" style="{STYLE}">'
        for image in shown
    )
    return f'<div style="display:flex;gap:.35rem;height:4.2rem;overflow:hidden;flex-wrap:wrap">{"".join(pictures)}</div>'


def _put(name: str) -> None:
    """Puts another one into the address, or none."""
    if name:
        st.query_params[QUERY] = name
    else:
        st.query_params.pop(QUERY, None)


def _show(name: str) -> None:
    _put(name)
    st.rerun()


# ---- dialogs -----------------------------------------------------------------------------------------------------------
@st.dialog("New data set", icon=":material/add:")
def _ask_to_make() -> None:
    st.text_input("Name", placeholder="my-cat", key="new-set", help=RULE)
    st.button("Create", type="primary", key="make-set-confirmed", on_click=_make)
    _answer()


@st.dialog("Rename", icon=":material/edit:")
def _ask_to_rename(path: Path) -> None:
    if users := sets.find_users(path):
        named = words.plural(len(users), "run")
        st.markdown(
            plain(f"The settings of {named} name it. They are not changed: until they name it anew, none can be resumed.")
        )
    st.session_state.setdefault("other-name", path.name)
    st.text_input("Name", key="other-name", help=RULE)
    st.button("Rename", type="primary", key="rename-confirmed", on_click=_rename, args=(path,))
    _answer()


@st.dialog("Delete?", icon=":material/delete:")
def _ask_to_delete(path: Path) -> None:
    summary, users = sets.summarise(path), sets.find_users(path)
    lost = f"{words.plural(len(summary.images), 'image')} and {words.plural(summary.captioned, 'caption')}"
    st.markdown(f"**{plain(path.name)}** goes for good, with {lost}.")
    if users:
        st.markdown(plain(f"{tell_users(users)} What was learned stays, but cannot be resumed or started again without it."))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        st.button("Delete", type="primary", key="delete-set-confirmed", on_click=_delete, args=(path,))
    _answer()


def _make() -> None:
    _try(lambda: sets.make_set(st.session_state["new-set"]).name)


def _rename(path: Path) -> None:
    def rename() -> str:
        renamed = sets.rename_set(path, st.session_state["other-name"])
        if sets.is_named(fields.values()["data.folder"], path):
            fields.change({"data.folder": shown_path(renamed)})
        return renamed.name

    _try(rename)


def _delete(path: Path) -> None:
    def delete() -> str:
        sets.delete_set(path)
        return ""

    _try(delete)


def _try(does: Callable[[], str]) -> None:
    """What is to be in view then, or why it could not be."""
    try:
        st.session_state[DONE] = does()
    except (SetError, OSError) as error:
        st.session_state[REFUSED] = str(error)


def _answer() -> None:
    if refused := st.session_state.pop(REFUSED, ""):
        st.error(plain(refused[:1].upper() + refused[1:]), icon=":material/error:")
    if DONE in st.session_state:
        st.rerun()
