"""Import and export of settings on the Train page: the dialog that reads files of ours and of other tools, and what it made of
them."""

from functools import partial

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import Checked
from fluxgym.form.imported import Imported, ImportFailed
from fluxgym.form.sources import Source, decode
from fluxgym.form.take_over import fill_in, read_sources
from fluxgym.ui import fields
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from trainer.config import dump_config

REPORT, PASTED, FILES = "imported", "import-text", "import-files"  # in the session
PASTED_NAME = "what was pasted"
ACCEPTED = ["toml", "sh", "bat", "cmd", "ps1", "txt"]


def draw_buttons(checked: Checked) -> None:
    """Import, and Export of a form that can be started."""
    told = "Fills in the form from a config.toml, or from a train.sh and dataset.toml of FluxGym or kohya."
    if st.button("Import", icon=":material/upload_file:", key="import", help=told):
        _ask()
    st.download_button(
        "Export",
        partial(dump_config, checked.config) if checked.config else str,  # made at a click: a file of each run is soon gone
        file_name=f"{fields.values()['name'] or 'config'}.toml",
        mime="application/toml",
        icon=":material/download:",
        disabled=not checked.config,
        on_click="ignore",
        help="The settings as a config.toml, once nothing is wrong with them.",
    )


def draw_report() -> None:
    """What was taken over last, and what was not."""
    imported: Imported | None = st.session_state.get(REPORT)
    if imported is None:
        return
    with st.container(border=True, key="import-report"):
        said, away = st.columns([6, 1], vertical_alignment="center")
        said.markdown(f"Filled in from **{plain(imported.source)}**: {_count(imported)}.")
        away.button("Dismiss", key="import-dismiss", type="tertiary", on_click=st.session_state.pop, args=(REPORT,))
        _draw_lists(imported)


@st.dialog("Import settings", width="large", icon=":material/upload_file:")
def _ask() -> None:
    st.caption(
        "A config.toml of FluxGym; a train.sh or train.bat of FluxGym or kohya's flux_train_network.py, together with the "
        "dataset.toml and the prompts that it names; a config file of theirs; or a dataset.toml alone. Nothing in it is run."
    )
    files = st.file_uploader("Files", type=ACCEPTED, accept_multiple_files=True, key=FILES, max_upload_size=1)
    text = st.text_area("Or paste it here", key=PASTED, height=150, placeholder="accelerate launch ... flux_train_network.py")
    try:
        given = [Source(file.name, decode(file.name, file.getvalue())) for file in files or []]
        if text and text.strip():
            given.append(Source(PASTED_NAME, text))
        if not given:
            return
        imported = read_sources(given)
    except ImportFailed as error:
        st.markdown(red(str(error)))
        return
    st.markdown(f"{_count(imported)}.")
    _draw_lists(imported)
    if st.button("Fill in the form", key="import-fill", type="primary", on_click=_fill, args=(imported,)):
        st.rerun()


def _fill(imported: Imported) -> None:
    """What the form holds is set aside; what is done for a run without being asked stays as it is."""
    care = {key: value for key, value in fields.values().items() if key.startswith(form.CARE)}
    values = fill_in(imported) | care
    fields.fill(values | {"name": form.free_name(values["name"])} if values["name"] else values)
    st.session_state[REPORT] = imported


def _count(imported: Imported) -> str:
    return f"{words.plural(len(imported.taken), 'setting')} taken over, {len(imported.left)} not"


def _draw_lists(imported: Imported) -> None:
    if imported.left:
        st.markdown("\n".join(f"- {plain(entry.theirs)}: {plain(entry.why)}" for entry in imported.left))
    with st.expander("What was taken over, as what"):
        st.markdown("\n".join(f"- {plain(str(taken))}" for taken in imported.taken) or "Nothing.")
        if imported.same:
            st.caption(f"So here anyway: {plain(', '.join(imported.same))}")
