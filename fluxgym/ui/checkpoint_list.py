"""The board of LoRA files with star, note, samples, download, delete; below it the states to resume from.

The page is only told which version of the board there is: the browser fetches it from board_files.py when that is another."""

import time
import tomllib
from html import escape

import streamlit as st

from fluxgym.log.history import get_history
from fluxgym.run.folders import log_of
from fluxgym.run.record import ENDED
from fluxgym.ui import publish_dialog
from fluxgym.ui.board_files import board_url
from fluxgym.ui.cards import Look
from fluxgym.ui.component import declare
from fluxgym.ui.sample_grid import read_parts
from fluxgym.ui.text import plain
from fluxgym.view import board, words
from fluxgym.view.board import list_entries, tell_board
from fluxgym.view.checkpoints import Checkpoint, list_states
from trainer.folder import RunFolder

_mount = declare(
    "fluxgym_board",
    html="""
<div class="fluxgym-board">
  <div class="bar">
    <span class="trigger" hidden>
      <span class="name">Trigger word</span><code class="word"></code><button type="button">Copy</button>
    </span>
    <label class="order" hidden><span class="name">Order</span><select></select></label>
  </div>
  <div class="files"></div>
  <div class="trouble" role="status"></div>
</div>
""",
    css=read_parts("board.css", "viewer.css"),
    js=read_parts("viewer.js", "board.js"),
)
ASKED = "delete-asked"  # in the session: the file that is to be deleted
REST = {"After", "Size", "Saved"}  # columns that a phone has no room for
STYLE = """<style>
.fluxgym-files{overflow-x:auto}
.fluxgym-files table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
.fluxgym-files th{font-weight:400;opacity:0.65;font-size:0.85rem}
.fluxgym-files th,.fluxgym-files td{padding:0.4rem 1.25rem 0.4rem 0;text-align:left;white-space:nowrap;border:0}
.fluxgym-files tr+tr td{border-top:1px solid rgba(128,128,128,0.2)}
.fluxgym-files td:last-child,.fluxgym-files th:last-child{padding-right:0;text-align:right}
@media (max-width:640px){
.fluxgym-files .rest{display:none}
.fluxgym-files th,.fluxgym-files td{padding-right:0.75rem}
.fluxgym-files td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:7rem}
}
</style>"""


def draw(look: Look) -> None:
    """The LoRA files, then the states to resume from, the newest first."""
    told, states = tell_board(look.folder, look.history), list_states(look.folder)
    with st.container(border=True):
        st.markdown("**LoRA files**")
        if told["files"]:
            _draw_board(look.folder, told["version"])
        else:
            st.caption(_tell_none(look, f"None yet. {_when_saved(look.folder)}"))
        publish_dialog.draw_buttons(look.folder)
    with st.container(border=True):
        st.markdown("**States to resume from**")
        if states:
            st.html(_table(states))
        else:
            st.caption(_tell_none(look, "None yet. One is saved when the training is stopped, too."))


def _tell_none(look: Look, before_the_end: str) -> str:
    """Of what somebody else made, and of what has ended, nothing is to come."""
    if look.folder.is_read_only:
        return "None here."
    return "None was saved." if look.status.state in ENDED else before_the_end


def _draw_board(folder: RunFolder, version: str) -> None:
    key = f"board:{folder.name}"
    drawn = _mount(
        key=key,
        data={"url": board_url(folder.name), "version": version},
        on_marked_change=lambda: take_mark(folder, st.session_state[key].get("marked")),
        on_asked_change=lambda: None,
    )
    if drawn.get("asked") or st.session_state.get("refusal"):
        st.session_state[ASKED] = drawn.get("asked")
        st.rerun()  # `answer` is outside of the refreshing part


def take_mark(folder: RunFolder, said: object) -> None:
    """A star or a note as the browser sends it: {place, star} or {place, note}."""
    if not isinstance(said, dict):
        return
    star, note = said.get("star"), said.get("note")
    entries = list_entries(folder, get_history(log_of(folder)))
    if said.get("place") not in [entry.place for entry in entries]:
        return
    try:
        board.write_mark(
            folder, said["place"], star if isinstance(star, bool) else None, note if isinstance(note, str) else None
        )
    except OSError as error:
        st.session_state.refusal = str(error)


def answer(folder: RunFolder) -> None:
    """The dialog that asks before a file is deleted. Once a page, outside of the refreshing part."""
    if place := st.session_state.pop(ASKED, None):
        _ask_to_delete(folder, str(place))


@st.dialog("Delete this LoRA?", icon=":material/delete:")
def _ask_to_delete(folder: RunFolder, place: str) -> None:
    history = get_history(log_of(folder))
    entries = list_entries(folder, history)
    entry = next((entry for entry in entries if entry.place == place), None)
    if entry is None:
        st.markdown(f"{plain(place)} is not there any more.")
        return
    st.markdown(f"**{plain(place)}** ({plain(entry.lora.label)})")
    for told in board.tell_loss(folder, entry, entries):
        st.markdown(plain(told))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Delete", type="primary", key="delete-confirmed"):
            try:
                board.delete_lora(folder, place, history)
            except (board.NotDeleted, OSError) as error:
                st.session_state.refusal = str(error)
            st.rerun()


def _when_saved(folder: RunFolder) -> str:
    """When the first LoRA comes, as the settings say it."""
    try:
        settings = tomllib.loads(folder.config.read_text(encoding="utf-8"))
        every, epochs = int(settings["save"]["every_epochs"]), int(settings["train"]["epochs"])
    except (OSError, ValueError, KeyError, TypeError):
        return "The last comes at the end."
    return f"The first comes after epoch {every:,}, the last at the end." if 0 < every < epochs else "It comes at the end."


def _table(states: list[Checkpoint]) -> str:
    names = ["File", "After", "Step", "Size", "Saved", "Whole"]
    head = "".join(_cell("th", name, name) for name in names)
    return f'{STYLE}<div class="fluxgym-files"><table><tr>{head}</tr>{"".join(map(_row, states))}</table></div>'


def _row(state: Checkpoint) -> str:
    said = {
        "File": state.path.name,
        "After": state.label,
        "Step": words.steps(state.step),
        "Size": words.size(state.size),
        "Saved": words.age(time.time() - state.modified),
        "Whole": state.problem or "yes",
    }
    return f"<tr>{''.join(_cell('td', column, escape(text)) for column, text in said.items())}</tr>"


def _cell(tag: str, column: str, markup: str) -> str:
    return f'<{tag} class="rest">{markup}</{tag}>' if column in REST else f"<{tag}>{markup}</{tag}>"
