"""The log panel: one log of a run at a time with its search, levels, jumps and numbers, live.

It fetches its lines by itself from the routes of live_log.py, so that a refresh of the page sends nothing of them, however many
are shown."""

from fluxgym.ui.component import declare
from fluxgym.ui.log_box import read_parts

LINES = (100, 500, 1000, 2000, 5000)
_OPTIONS = "".join(f'<option value="{count}">Last {count:,} lines</option>' for count in LINES)
_mount = declare(
    "fluxgym_log_view",
    html="\n" + read_parts("log_view.html").replace("OPTIONS", _OPTIONS),
    css=read_parts("log_box.css", "log_view.css"),
    js=read_parts("log_lines.js", "log_words.js", "log_source.js", "log_view.js"),
)


def draw_view(run: str, logs: list[tuple[str, str]], attempts: int, has_ended: bool, height: int = 640) -> None:
    """Draws the panel. `logs`: by which name an address knows each, and its title; the first is shown at the beginning.

    `attempts`: lines of this log that begin one. `has_ended`: nothing is written into it any more."""
    data = {"run": run, "logs": logs, "attempts": attempts, "ended": has_ended, "height": height}
    _mount(key=f"logs:{run}", data=data, height=height)
