"""Lines that a terminal broke at its width, as in a log that was copied from one: what began on a line goes on in the next."""

import re

from fluxgym.log.dialects import BAR, STARTS, read_text
from fluxgym.log.events import Event

WIDEST = 1000  # bytes of a bar
NARROWEST = 79  # characters of a line that may have been broken


class Wrapped:
    """Fed line by line. It only adds what no line says alone."""

    def __init__(self) -> None:
        self._bar = b""
        self._width = 0  # characters of each of its lines but the last
        self._text = ""

    def join_bar(self, line: str) -> re.Match[bytes] | None:
        """The bar that ends with this line and began before it."""
        if not self._bar and "%|" not in line:
            return None
        begun, self._bar = self._bar, b""
        if begun and len(line) <= self._width:
            whole = begun + line.encode()
            if bar := BAR.fullmatch(whole):
                return bar
            if len(line) == self._width and is_begun(whole):
                self._bar = whole
                return None
        if len(line) >= NARROWEST and is_begun(line.encode()):
            self._bar, self._width = line.encode(), len(line)
        return None

    def join_text(self, text: str, width: int, event: Event | None) -> Event | None:
        """What a text says, alone (that is `event`) or with that of the line before. `width`: characters of the whole line."""
        begun, self._text = self._text, ""
        if event is None and begun:
            event = read_text(begun + text)
        if event is None and width >= NARROWEST and text.startswith(STARTS):
            self._text = text
        return event


def is_begun(text: bytes) -> bool:
    """Whether it may be a bar without its end."""
    at = text.rfind(b"%|")
    return at >= 0 and b"]" not in text[at:] and len(text) < WIDEST
