"""The address of a link while it can be told: in full, to be copied, and as a QR code for a phone."""

from fluxgym.ui.component import declare
from fluxgym.ui.log_box import read_parts
from fluxgym.ui.qr import make_svg

_mount = declare(
    "fluxgym_link",
    html="""
<div class="fluxgym-link">
  <div class="told">
    <div class="address"></div>
    <div class="does"><button type="button">Copy</button><button type="button" hidden>Send</button></div>
  </div>
  <div class="code" role="img" aria-label="QR code of the link"></div>
</div>
""",
    css=read_parts("link_box.css"),
    js=read_parts("link_box.js"),
)


def draw_link(url: str, title: str, key: str) -> None:
    """Draws an address. `title`: what another app shows of it that it is sent with."""
    _mount(key=key, data={"url": url, "title": title, "svg": make_svg(url)})
