"""The last lines of a log in a box of fixed height that can be read, selected and copied while it grows.

st.code would replace the text at each refresh, and with it selection and place. What a log says is shown as text, never as
markup."""

from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "fluxgym_log",
    html="""
<div class="fluxgym-log">
  <button type="button">Copy</button>
  <div class="lines" role="log" tabindex="0"></div>
  <div class="empty"></div>
</div>
""",
    css=(_FOLDER / "log_box.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "log_box.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # a selection inside of a shadow root is hidden from the page
)


def draw_log(
    lines: list[str], key: str, label: str, height: int = 360, empty: str = "No lines yet.", wrap: bool = False
) -> None:
    """Draws lines, the newest at the end and in view. `label` names the log to those who cannot see it. `wrap`: long ones."""
    data = {"lines": lines, "label": label, "height": height, "empty": empty, "wrap": wrap}
    _mount(key=key, data=data, height=height)
