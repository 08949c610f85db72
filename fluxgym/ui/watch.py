"""Asks every few seconds whether this browser may still see what it shows. Once it may not, the page is loaded anew.

Without it the last picture of a run would stay on the screen after its link was revoked, or after a log out in another tab."""

from fluxgym.ui.component import declare
from fluxgym.ui.live import EVERY

_mount = declare(
    "fluxgym_watch",
    html="\n<span></span>\n",
    js="""
const url = new URL("alive", document.baseURI);
export default function () {
  const ask = async () => {
    const answer = await fetch(url, { cache: "no-store" }).catch(() => null); // a server that is down says nothing
    if ([401, 403, 404].includes(answer?.status)) location.reload();
  };
  const timer = setInterval(ask, EVERY);
  return () => clearInterval(timer);
}
""".replace("EVERY", str(1000 * EVERY)),
)


def draw_watch() -> None:
    """Draws nothing. Once a page, outside of the refreshing part."""
    _mount(key="watching", height=1)
