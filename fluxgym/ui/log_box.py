"""The last lines of a log in a box of fixed height that can be read, selected and copied while it grows.

st.code would replace the text at each refresh, and with it selection and place. What a log says is shown as text, never as
markup."""

from pathlib import Path

from fluxgym.log.levels import level_of
from fluxgym.ui.component import declare

_FOLDER = Path(__file__).parent


def read_parts(*names: str) -> str:
    """Scripts or styles of this folder as one: a component is given a single text of each."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


_mount = declare(
    "fluxgym_log",
    html="""
<div class="fluxgym-log">
  <button type="button">Copy</button>
  <div class="lines" role="log" tabindex="0"></div>
  <div class="empty"></div>
</div>
""",
    css=read_parts("log_box.css"),
    js=read_parts("log_lines.js", "log_box.js"),
)


def draw_log(
    lines: list[str], key: str, label: str, height: int = 360, empty: str = "No lines yet.", wrap: bool = False
) -> None:
    """Draws lines, the newest at the end and in view. `label` names the log to those who cannot see it. `wrap`: long ones."""
    levels = {index: level for index, line in enumerate(lines) if (level := level_of(line))}
    data = {"lines": lines, "levels": levels, "label": label, "height": height, "empty": empty, "wrap": wrap}
    _mount(key=key, data=data, height=height)
