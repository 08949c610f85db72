"""Captions in the encodings that people's editors write; what is no text is named."""

import pytest

from fluxgym.dataset.encodings import NotText, decode_caption

TEXT = "a \u00fcber cat, caf\u00e9"


@pytest.mark.parametrize(
    ("encoding", "called"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
        ("latin-1", "Windows-1252"),
    ],
)
def test_a_caption_is_read_in_its_encoding_and_another_is_said(encoding: str, called: str) -> None:
    note = f"a.txt was written in {called}, it is UTF-8 now" if called else ""
    assert decode_caption("a.txt", f"{TEXT}\n".encode(encoding)) == (TEXT, note)


def test_quotes_of_windows_and_what_even_it_has_not() -> None:
    assert decode_caption("a.txt", b"\x93cat\x94 caf\xe9")[0] == "\u201ccat\u201d caf\u00e9"
    assert decode_caption("a.txt", b"caf\xe9 \x81")[1] == "a.txt was written in Latin-1, it is UTF-8 now"


@pytest.mark.parametrize(
    "data", [b"\0\1\2\3", b"\xff\xfea", b"a\0b\0\0\0", bytes(range(1, 30)), b"\xff\xd8\xff\xe0" + bytes(60)]
)
def test_what_is_no_text_is_named(data: bytes) -> None:
    with pytest.raises(NotText, match=r"a\.txt: got bytes that are no text, expected a caption in UTF-8"):
        decode_caption("a.txt", data)
