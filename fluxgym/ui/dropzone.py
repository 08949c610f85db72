"""The place on a page where images and captions are dropped. It sends them to uploads.py itself, several at once."""

from collections.abc import Callable

from fluxgym.ui.component import declare
from fluxgym.ui.log_box import read_parts

_mount = declare(
    "fluxgym_drop",
    html='\n<div class="fluxgym-drop"></div>\n',
    css=read_parts("dropzone.css"),
    js=read_parts("dropzone.js", "dropzone_view.js"),
)


def draw_dropzone(target: str, where: str, key: str, on_arrival: Callable[[], None]) -> None:
    """Draws it for a data set, as data.folder names it; empty: nothing can be dropped yet. `where`: what is said of it.

    `on_arrival` is called before the page runs again: when files begin to arrive, now and then while they do, at the end."""
    _mount(key=key, data={"target": target, "where": where}, on_arrived_change=on_arrival)
