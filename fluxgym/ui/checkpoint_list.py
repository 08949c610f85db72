"""The LoRA files and the states of a run: epoch, step, validation loss, size, age, download."""

import time
import tomllib
from html import escape

import streamlit as st

from fluxgym.ui import routes
from fluxgym.ui.cards import Look
from fluxgym.view import words
from fluxgym.view.checkpoints import Checkpoint, list_loras, list_states
from trainer.folder import RunFolder

REST = {"After", "Size", "Saved"}  # columns that a phone has no room for
STYLE = """<style>
.fluxgym-files{overflow-x:auto}
.fluxgym-files table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
.fluxgym-files th{font-weight:400;opacity:0.65;font-size:0.85rem}
.fluxgym-files th,.fluxgym-files td{padding:0.4rem 1.25rem 0.4rem 0;text-align:left;white-space:nowrap;border:0}
.fluxgym-files tr+tr td{border-top:1px solid rgba(128,128,128,0.2)}
.fluxgym-files td:last-child,.fluxgym-files th:last-child{padding-right:0;text-align:right}
.fluxgym-files a{color:inherit}
@media (max-width:640px){
.fluxgym-files .rest{display:none}
.fluxgym-files th,.fluxgym-files td{padding-right:0.75rem}
.fluxgym-files td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:7rem}
}
</style>"""


def draw(look: Look) -> None:
    """The LoRA files, then the states to resume from, the newest first."""
    loras, states = list_loras(look.folder, look.history), list_states(look.folder)
    with st.container(border=True):
        st.markdown("**LoRA files**")
        if loras:
            st.html(_table(loras, look.folder.name))
        else:
            st.caption(f"None yet. {_when_saved(look.folder)}")
    with st.container(border=True):
        st.markdown("**States to resume from**")
        if states:
            st.html(_table(states, None))
        else:
            st.caption("None yet. One is saved when the training is stopped, too.")


def _when_saved(folder: RunFolder) -> str:
    """When the first LoRA comes, as the settings say it."""
    try:
        settings = tomllib.loads(folder.config.read_text(encoding="utf-8"))
        every, epochs = int(settings["save"]["every_epochs"]), int(settings["train"]["epochs"])
    except (OSError, ValueError, KeyError, TypeError):
        return "The last comes at the end."
    return f"The first comes after epoch {every:,}, the last at the end." if 0 < every < epochs else "It comes at the end."


def _table(checkpoints: list[Checkpoint], run: str | None) -> str:
    """`run`: of files that can be downloaded."""
    last = "Download" if run else "Whole"
    names = ["File", "After", "Step", *(["Validation"] if run else []), "Size", "Saved", last]
    head = "".join(_cell("th", name, name) for name in names)
    rows = "".join(_row(checkpoint, run) for checkpoint in checkpoints)
    return f'{STYLE}<div class="fluxgym-files"><table><tr>{head}</tr>{rows}</table></div>'


def _row(checkpoint: Checkpoint, run: str | None) -> str:
    name = checkpoint.path.name
    url = escape(routes.file_url(run, "loras", name), quote=True) if run else ""
    said = {
        "File": name,
        "After": checkpoint.label,
        "Step": words.steps(checkpoint.step),
        **({"Validation": words.loss4(checkpoint.validation)} if run else {}),
        "Size": words.size(checkpoint.size),
        "Saved": words.age(time.time() - checkpoint.modified),
    }
    last = f'<a href="{url}" download>Download</a>' if run else escape(checkpoint.problem or "yes")
    return f"<tr>{''.join(_cell('td', column, escape(text)) for column, text in said.items())}<td>{last}</td></tr>"


def _cell(tag: str, column: str, markup: str) -> str:
    return f'<{tag} class="rest">{markup}</{tag}>' if column in REST else f"<{tag}>{markup}</{tag}>"
