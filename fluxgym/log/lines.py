"""Bytes of a log as lines for the eye: the last state of a progress bar, no colour codes, no endless lines."""

import codecs
import re

LIMIT = 4096  # bytes of one line that are ever looked at; no line that means something is longer
SHOWN = 2000  # characters of one line that are shown

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff]")
MARKS = {codecs.BOM_UTF8: None, codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Decoder:
    """Makes plain UTF-8 of a file's bytes, however they are cut: PowerShell's `>` writes UTF-16, or a mark before UTF-8."""

    def __init__(self) -> None:
        self._begin: bytes | None = b""  # what came before it was clear whether the file has a mark; None since then
        self._utf16: codecs.IncrementalDecoder | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it gives what it is given."""
        return self._begin is None and self._utf16 is None

    def feed(self, data: bytes) -> bytes:
        if self._begin is not None:
            data = self._begin + data
            if any(len(data) < len(mark) and mark.startswith(data) for mark in MARKS):
                self._begin = data
                return b""
            self._begin = None
            mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
            data = data[len(mark) :]
            if encoding := MARKS.get(mark):
                self._utf16 = codecs.getincrementaldecoder(encoding)("replace")
        return data if self._utf16 is None else self._utf16.decode(data).encode()


def clean(text: str) -> str:
    """The text without colour codes and control characters; tabs stay."""
    return CONTROL.sub("", ANSI.sub("", text)) if not text.isprintable() else text


def end_of_whole(data: bytes) -> int:
    """Where the unfinished last line begins. A bar that is drawn over is whole; a last "\r" may be half of "\r\n"."""
    line = data.rfind(b"\n") + 1
    return max(line, data.rfind(b"\r", line + 1, -1) + 1)


def show_line(raw: bytes, dropped: int = 0) -> str:
    """One line, as a terminal would leave it: what stands after the last carriage return, cut to SHOWN characters.

    `dropped`: bytes at its end that are not given any more."""
    raw = raw.rstrip(b"\r\n")
    raw = raw[raw.rfind(b"\r") + 1 :]
    text = clean(raw[: 4 * SHOWN].decode("utf-8", "replace"))
    if len(text) <= SHOWN and len(raw) <= 4 * SHOWN and not dropped:
        return text
    return f"{text[:SHOWN]}... (+{dropped + len(raw) - len(text[:SHOWN].encode()):,} bytes)"
