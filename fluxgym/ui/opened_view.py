"""Folders that were opened to be read: the dialog that asks for a path, the list on the Runs page, what the Run page says."""

import streamlit as st

from fluxgym.run import opened
from fluxgym.run.opened import OpenedFolder
from fluxgym.ui import routes
from fluxgym.ui.text import plain, red
from fluxgym.view import opening
from trainer.folder import RunFolder

PATH, FOUND, REFUSAL = "open-path", "open-found", "open-refusal"  # of the dialog
WHOSE = "kohya sd-scripts, FluxGym, ai-toolkit, SimpleTuner, OneTrainer or diffusers"


def draw_open() -> None:
    """The button that asks for a folder, and what follows from the answer."""
    if key := st.session_state.pop(FOUND, None):
        routes.open_run(key)
    if st.button("Open a folder", icon=":material/folder_open:"):
        _ask_for_path()


def draw_list(folders: list[OpenedFolder]) -> None:
    """The folders that were opened before, each with its path. Their logs are not read for this."""
    for folder in folders:
        is_there = folder.path.is_dir()
        with st.container(border=True, key=f"opened:{folder.name}"):
            told, pressed = st.columns([5, 2], vertical_alignment="center")
            told.markdown(f"**{plain(folder.title)}**")
            told.caption(plain(str(folder.path)) + ("" if is_there else " :red[is not there any more]"))
            with pressed.container(horizontal=True, horizontal_alignment="right"):
                if is_there and st.button("Open", key=f"open:{folder.name}"):
                    routes.open_run(folder.name)
                _draw_forget(folder)


def look(folder: RunFolder) -> RunFolder:
    """The folder that a page shows, an opened one with the log that is its newest by now."""
    return opening.look_again(folder) if isinstance(folder, OpenedFolder) else folder


def draw_where(folder: RunFolder) -> None:
    """Of an opened folder, where it lies and that it is only read. Ends the page where it is gone."""
    if not isinstance(folder, OpenedFolder):
        return
    if not folder.path.is_dir():
        st.markdown(f"This folder is not there any more: {plain(str(folder.path))}")
        with st.container(horizontal=True):
            if st.button("Show all runs", type="primary", icon=":material/view_list:"):
                st.switch_page(routes.RUNS)
            _draw_forget(folder)
        st.stop()
    st.caption(f":material/lock: Opened to be read, nothing is written into it: {plain(str(folder.path))}")


@st.dialog("Open a folder", icon=":material/folder_open:", width="medium")
def _ask_for_path() -> None:
    st.markdown(
        f"The run of any tool, on the machine where FluxGym runs: {WHOSE}. It is only read; nothing is written into the folder."
    )
    with st.form("open-a-folder", border=False):
        st.text_input("Path of the folder", placeholder="/workspace/kohya_ss/outputs/my-lora", key=PATH)
        is_wanted = st.form_submit_button("Open", type="primary", on_click=_open)
    if refusal := st.session_state.pop(REFUSAL, None):
        st.markdown(red(refusal))
    elif is_wanted:
        st.rerun()


def _open() -> None:
    """A callback: what it finds is shown by the page, what it refuses by the dialog."""
    try:
        st.session_state[FOUND] = opening.open_folder(st.session_state[PATH]).name
    except (ValueError, OSError) as error:
        said = str(error)
        st.session_state[REFUSAL] = f"{said[:1].upper()}{said[1:]}."


def _draw_forget(folder: OpenedFolder) -> None:
    if not st.button("Forget", icon=":material/close:", key=f"forget:{folder.name}"):
        return
    if folder.board.exists() or folder.share.exists():
        _ask_to_forget(folder)
    else:
        opened.forget(folder)
        _leave(folder)


@st.dialog("Forget this folder?", icon=":material/close:")
def _ask_to_forget(folder: OpenedFolder) -> None:
    lost = ["The stars and notes that you gave its checkpoints here are deleted."] if folder.board.exists() else []
    lost += ["The links to it end."] if folder.share.exists() else []
    st.markdown(f"**{plain(folder.title)}** itself stays as it is. {' '.join(lost)}")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Forget it", type="primary", key="forget-confirmed", on_click=opened.forget, args=(folder,)):
            _leave(folder)


def _leave(folder: OpenedFolder) -> None:
    """Away from a folder that is not known any more."""
    if st.session_state.get("run_in_view") == folder.name:
        routes.forget_run()
    st.switch_page(routes.RUNS)
