"""A plotly figure that keeps its zoom and its legend while it grows.

st.plotly_chart makes a new chart of each new figure. This gives the figure to Plotly.react, which changes the chart that is
there. Colours that depend on the theme are taken from the page; plotly.min.js comes from our own server (server.py).
"""

import json
from pathlib import Path

from fluxgym.ui.component import declare
from fluxgym.view import figures
from fluxgym.view.figures import Figure

_FOLDER = Path(__file__).parent
_THEME = Path(figures.__file__).parent / "chart_theme.js"  # a frozen run has it too
_mount = declare(
    "fluxgym_chart",
    html="""
<div class="fluxgym-chart">
  <div class="head" hidden><b></b><span></span></div>
  <div class="chart" role="img"></div>
  <div class="note"></div>
</div>
""",
    js="\n".join(file.read_text(encoding="utf-8") for file in (_THEME, _FOLDER / "chart.js")),
    css=(_FOLDER / "chart.css").read_text(encoding="utf-8"),
)


def draw_chart(figure: Figure, key: str, height: int, alt: str) -> None:
    """Draws a figure `height` px high. `alt` says in words what it shows."""
    _mount(key=key, data={"figure": json.dumps(figure), "height": height, "alt": alt}, height=height)


def draw_fed_chart(source: tuple[str, str, str], key: str, height: int, alt: str, title: str = "") -> None:
    """Draws a figure that the browser fetches from our server, which sends it what is new (chart_feed.py).

    `source`: the address, which of its charts, and the version of what it shows; another version is fetched again.
    `title`: above the figure, what is told of it beside that instead of below the figure."""
    url, chart, version = source
    data = {"url": url, "chart": chart, "version": version, "height": height, "alt": alt, "title": title}
    _mount(key=key, data=data, height=height)
