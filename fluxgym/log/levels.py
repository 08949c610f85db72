"""How grave a line of a log is: the one rule by which lines are coloured, filtered and counted."""

import re
from typing import Literal

from fluxgym.log.dialects import BAR, Line, split_line
from fluxgym.log.failures import ERROR_LEVELS

Level = Literal["warning", "error"]

WORDS = {  # a line of that level has one of these in it; most lines have none, which is quickly seen
    "warning": ("WARNING", "Warning: "),
    "error": ("ERROR", "CRITICAL", "Traceback (most recent call last):"),
}
ALL_WORDS = (*WORDS["warning"], *WORDS["error"])
PYTHON_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")


def level_of(text: str) -> Level | None:
    """The level of a line as fluxgym.log.lines.show_line gives it; None for what is neither warning nor error."""
    if not any(word in text for word in ALL_WORDS):
        return None
    while bar := BAR.match(text.encode("utf-8", "replace")):  # a message may begin behind a bar that has no end of line
        text = text.encode("utf-8", "replace")[bar.end() :].decode("utf-8", "replace")
    return level_of_line(split_line(text))


def level_of_line(line: Line) -> Level | None:
    """The same for a line that was taken apart. What only goes on a text above it counts with that."""
    if line.goes_on:
        return None
    if line.level in ERROR_LEVELS or line.text.startswith("Traceback (most recent call last):"):
        return "error"
    return "warning" if line.level == "WARNING" or PYTHON_WARNING.match(line.text) else None
