"""What stands before the text of a line: time stamps, levels, ranks and wrappers of the tools that write logs, one row each."""

import re
from dataclasses import dataclass

STAMP = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?"
LEVELS = r"DEBUG|INFO|WARNING|ERROR|CRITICAL"
PADDED = "DEBUG   |INFO    |WARNING |ERROR   |CRITICAL"
# FluxGym puts this before each line of its trainer, and DeepSpeed before its own, with the place in its code and the rank.
WRAPPER = re.compile(rf"\[{STAMP}\] \[({LEVELS})\] ?(?:\[[\w.]+:\d+:\w+\] )?(?:\[Rank -?\d+\] )?")
STREAM = re.compile(r"\[\d\d:\d\d:\d\d\] \[STD(?:ERR|OUT)\] ?")  # of a launcher that marks the stream
COLUMNS = re.compile(
    rf"(?:\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d| {{19}}) (?=(?:{PADDED}) )({LEVELS}) ++(|.*?\S)(?:\s++[\w.]+\.py:\d+)?\s*+$"
)
FRAMES = (  # each with the level, where it has one, and the text
    COLUMNS,  # rich's
    re.compile(rf"(?:\[RANK \d{{1,5}}\] )?{STAMP} \[({LEVELS})\] (?:\([\w.]{{1,200}}\) )?(.*)$"),  # SimpleTuner's
    re.compile(rf"\d\d/\d\d/\d{{4}} \d\d:\d\d:\d\d - ({LEVELS}) - [\w.]{{1,200}} - (.*)$"),  # of the examples of diffusers
    re.compile(rf"\[({LEVELS})\|[\w.]{{1,200}}:\d+\] {STAMP} >> (.*)$"),  # of Hugging Face's libraries
    re.compile(rf"{STAMP} - (?:[\w.]{{1,200}} - )?({LEVELS}) - (.*)$"),  # as the examples of Python's logging have it
    re.compile(rf"{STAMP} (?:({LEVELS}):? )?(.*)$"),
    re.compile(rf"\[({LEVELS})\]:? (.*)$"),
    re.compile(r"(DEBUG|INFO):[\w.]{1,200}:(.*)$"),  # Python's logging without a format
    re.compile(r"(WARNING|ERROR|CRITICAL)(?::(?:[\w.]+:)?| ) *(\S.*)$"),
)
REMAINS = re.compile(r"(?: *\[A)+")  # of a cursor that was moved up to an outer bar, where the escape before it was lost
RANK = re.compile(r"\[rank\d+\]: ?")  # torchrun's mark
INDENT = " " * 20  # a line that only goes on a text wrapped by COLUMNS


@dataclass(frozen=True, slots=True)
class Line:
    """A line without what stands before its text."""

    text: str
    level: str | None = None
    is_wrapped: bool = False  # more of this text may stand on the next lines
    goes_on: bool = False  # this is such a next line


def split_line(text: str) -> Line:
    """A line of at most LIMIT characters, freed of time stamp, level, wrapper and rank."""
    level = None
    if remains := REMAINS.match(text):
        text = text[remains.end() :]
    if wrapper := WRAPPER.match(text):
        level, text = wrapper[1], text[wrapper.end() :]
    elif stream := STREAM.match(text):
        text = text[stream.end() :]
    rank = RANK.match(text)
    unmarked = text[rank.end() :] if rank else text
    for frame in FRAMES:
        if match := frame.match(unmarked):
            return Line(match[2], match[1] or level, is_wrapped=frame is COLUMNS)
    if text.startswith(INDENT):
        return Line(text.strip(), level, goes_on=True)
    return Line(unmarked, level)
