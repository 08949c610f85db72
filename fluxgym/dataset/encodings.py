"""Captions in whatever encoding they were written, as text."""

import codecs

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16: looked for first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NAMES = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}
BREAKS = "\t\n\r\f\v"
MOST_ODD = 50  # one letter of so many may be no letter at all


class NotText(ValueError):
    """Bytes that are no text."""


def decode_caption(name: str, data: bytes) -> tuple[str, str]:
    """The text of a file, and what is to be said of how it was written. Raises NotText."""
    for encoding in _list_encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        odd = sum(letter < " " and letter not in BREAKS for letter in text)
        if "\0" in text or odd > len(text) // MOST_ODD:
            break
        called = NAMES.get(encoding, encoding.upper())
        return text.strip(), "" if encoding == "utf-8-sig" else f"{name} was written in {called}, it is UTF-8 now"
    raise NotText(f"{name}: got bytes that are no text, expected a caption in UTF-8")


def _list_encodings(data: bytes) -> tuple[str, ...]:
    """Those that may be meant, the likeliest first."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return (encoding,)
    if b"\0" in data:  # Windows writes UTF-16 without a mark, too: every other byte of most letters is zero
        return ("utf-16-le",) if data[1::2].count(0) >= data[::2].count(0) else ("utf-16-be",)
    return ("utf-8-sig", "cp1252", "latin-1")
