"""Asks every few seconds whether this browser may still see what it shows. Once it may not, the page is loaded anew; where
nobody answers, it says since when, and that the training goes on.

Without it the last picture of a run would stay on the screen after its link was revoked, or after a log out in another tab."""

from fluxgym.ui.component import declare
from fluxgym.ui.live import EVERY
from fluxgym.ui.log_box import read_parts

_mount = declare(
    "fluxgym_watch",
    html="""
<div class="fluxgym-away" popover="manual" role="status">
  <b></b>
  A training needs neither this page nor its server: it goes on.
  What you see is of that moment; the page goes on by itself when the connection is back.
</div>
""",
    css=read_parts("watch.css"),
    js=read_parts("watch.js"),
)


def draw_watch() -> None:
    """Draws nothing as long as the server answers. Once a page, outside of the refreshing part."""
    _mount(key="watching", data={"every": 1000 * EVERY}, height=1)
