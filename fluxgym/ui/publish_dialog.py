"""What becomes of a run: published on the Hugging Face Hub, or as a zip. The buttons, the two dialogs, and how far it is."""

from typing import Any

import streamlit as st

from fluxgym.job.begin import JobIsActive
from fluxgym.job.folder import DONE, read_job
from fluxgym.models.token import find_token
from fluxgym.publish import parcel, publishing
from fluxgym.publish.publishing import NotPublished, Wish
from fluxgym.ui.job_view import draw_job
from fluxgym.ui.parcel import zip_url
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from fluxgym.view.checkpoints import Checkpoint, place_of
from fluxgym.view.job_words import tell_progress
from trainer.folder import RunFolder

PUBLISH, ZIP = "Publish", "Zip"
ASKED, REFUSED = "publish-asked", "publish-refused"  # of the session
SAID = (
    "A model repository on the Hugging Face Hub: the LoRA, its samples, and a card with trigger word, settings, base model and "
    "licence. Keys, paths and names of this machine are taken out of the card and of what the LoRA's file says of itself, and "
    "captions are, too."
)


def draw_buttons(folder: RunFolder) -> None:
    """Both buttons, and how far a publishing is. Only asks: `answer` opens the dialogs, outside of the refreshing part."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if publishing.list_published(folder) and st.button(PUBLISH, icon=":material/upload:", key=f"publish:{folder.name}"):
            _ask(PUBLISH)
        if st.button(ZIP, icon=":material/folder_zip:", key=f"zip:{folder.name}"):
            _ask(ZIP)
        if status := read_job(publishing.find_publishing(folder)):
            if status.is_active:
                st.caption(f"Publishing: {plain(tell_progress(status))}", width="content")
            elif status.state == DONE and status.said and (url := status.said.result.get("url")):
                label = f"Open {plain(str(status.said.result.get('repository', '')))}"
                st.link_button(label, str(url), icon=":material/open_in_new:", type="tertiary")
            else:
                st.caption(f"Not published: {plain(status.message)}", width="content")


def answer(folder: RunFolder) -> None:
    """The dialog that was asked for. Once a page, outside of the refreshing part."""
    match st.session_state.pop(ASKED, None):
        case "Publish":
            _publish(folder)
        case "Zip":
            _zip(folder)


def _ask(what: str) -> None:
    st.session_state[ASKED] = what
    st.session_state.pop(REFUSED, None)
    st.rerun()


@st.dialog("Publish on the Hugging Face Hub", icon=":material/upload:", width="medium")
def _publish(folder: RunFolder) -> None:
    status = read_job(publishing.find_publishing(folder))
    if status and (status.is_active or status.state != DONE):
        draw_job(status, f"publish:{folder.name}")
        if status.is_active:
            return
    st.markdown(SAID)
    loras = publishing.list_published(folder)
    lora = st.selectbox("LoRA", loras, format_func=_name_lora, key="publish-lora")
    if lora is None:
        return
    help_name = "Its name, or owner/name. Without an owner it is put under the account of the access token."
    st.text_input("Repository", folder.title.replace(" ", "-"), key="publish-repository", help=help_name)
    found = dict(publishing.suggest_samples(folder, lora))
    usual = list(found)[: publishing.USUAL_SAMPLES]
    shown = {"default": usual, "format_func": lambda place: found[place] or place, "key": _samples_key(lora)}
    st.multiselect("Samples", list(found), **shown)
    private = "Otherwise only you may, until you change that on the Hub."
    st.toggle("Everybody may see it", key="publish-public", help=private)
    st.toggle("Add to a repository that is there", key="publish-adds", help="Its card, README.md, is replaced.")
    if find_token() is None:
        st.markdown(red("There is no access token here: store one that can write on the Models page."))
    if refusal := st.session_state.get(REFUSED):
        st.markdown(red(refusal))
    with st.container(horizontal=True, horizontal_alignment="right"):
        go: dict[str, Any] = {"type": "primary", "on_click": _start, "args": (folder,), "disabled": find_token() is None}
        st.button(PUBLISH, key="publish-confirmed", **go)


def _start(folder: RunFolder) -> None:
    said = {name: st.session_state[f"publish-{name}"] for name in ("lora", "repository", "public", "adds")}
    lora, samples = place_of(folder, said["lora"].path), st.session_state[_samples_key(said["lora"])]
    wish = Wish(lora, said["repository"].strip(), said["public"], tuple(samples), said["adds"])
    st.session_state.pop(REFUSED, None)
    try:
        publishing.start_publishing(folder, wish)
    except (NotPublished, JobIsActive, OSError) as error:
        st.session_state[REFUSED] = str(error)


def _samples_key(lora: Checkpoint) -> str:
    """One for each LoRA: those of another are not among its own, so that a choice of them would be lost."""
    return f"publish-samples:{lora.path.name}"


def _name_lora(lora: Checkpoint) -> str:
    return f"{lora.path.name} ({lora.label}, {words.size(lora.size)})"


@st.dialog("Download as a zip", icon=":material/folder_zip:")
def _zip(folder: RunFolder) -> None:
    st.markdown("Packed while it is sent. Links and what guards the run are never inside.")
    for part, text in parcel.PARTS.items():
        size = words.size(parcel.measure(parcel.list_parcel(folder, (part,))))
        st.checkbox(f"{text}, {size}", value=part in parcel.USUAL, key=f"zip-{part}")
    parts = [part for part in parcel.PARTS if st.session_state.get(f"zip-{part}")]
    url = zip_url(folder.name, parts)
    st.link_button(f"Download {plain(parcel.file_name(folder))}", url, icon=":material/download:", disabled=not parts)
