"""A text as a QR code, drawn as SVG for a page: black on white in its quiet zone, which a phone reads in dark mode too."""

import segno

QUIET_ZONE = 4  # modules of white around it; the standard asks for as many


def make_svg(text: str) -> str:
    """The code as the markup of one <svg>, which fills whatever it lies in. Raises ValueError for more than 2,331 bytes."""
    code = segno.make(text, error="m", micro=False)
    svg = str(code.svg_inline(border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None))
    return svg.replace("<svg ", '<svg shape-rendering="crispEdges" ', 1)  # no hairlines between the modules
