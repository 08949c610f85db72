"""A QR code: its modules are those of the text, black on white, in a quiet zone."""

import re
from xml.etree import ElementTree

import pytest
import segno

from fluxgym.ui.qr import QUIET_ZONE, make_svg

URL = "https://gpu.example.org/fluxgym/s/" + "aB3-_" * 8 + "xyz/"


def draw(svg: str) -> tuple[int, set[tuple[int, int]]]:
    """How many modules its side has, and which of them are black, as a browser would draw the path."""
    root = ElementTree.fromstring(svg)
    white, black = root
    side = int(root.attrib["viewBox"].split()[2])
    assert white.attrib == {"fill": "#fff", "d": f"M0 0h{side}v{side}h-{side}z"}
    assert black.attrib["stroke"] == "#000"
    x, y, found = 0.0, 0.0, set()
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", black.attrib["d"]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            found |= {(int(x) + step, int(y)) for step in range(int(values[0]))}
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    return side, found


def test_it_is_the_code_of_its_text_black_on_white_in_a_quiet_zone() -> None:
    side, black = draw(make_svg(URL))
    matrix = segno.make(URL, error="m", micro=False).matrix
    assert side == len(matrix) + 2 * QUIET_ZONE
    expected = {(x, y) for y, row in enumerate(matrix) for x, module in enumerate(row) if module}
    assert black == {(x + QUIET_ZONE, y + QUIET_ZONE) for x, y in expected}
    assert min(min(each) for each in black) == QUIET_ZONE


def test_nothing_of_the_text_is_markup() -> None:
    svg = make_svg("https://x/<script>alert(1)</script>")
    assert "script" not in svg
    assert svg.startswith("<svg ") and svg.endswith("</svg>")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        make_svg("x" * 3000)
