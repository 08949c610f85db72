"""Lines for the eye."""

from fluxgym.log.lines import SHOWN, Decoder, clean, show_line


def test_colours_and_controls_go_but_tabs_and_letters_stay():
    assert clean("\x1b[1;32mgreen\x1b[0m\ttab \x1b]0;title\x07ünï\x00") == "green\ttab ünï"


def test_a_bar_is_shown_in_its_last_state():
    assert show_line(b"steps: 1%\rsteps: 2%\rsteps: 3%\r\n") == "steps: 3%"


def test_the_mark_of_an_encoding_is_no_text_and_utf16_is_read():
    text = "steps: 1%|█\n\U0001f916 ünï\n"
    for data in (
        text.encode(),
        text.encode("utf-8-sig"),
        b"\xff\xfe" + text.encode("utf-16-le"),
        b"\xfe\xff" + text.encode("utf-16-be"),
    ):
        for size in (1, 3, 1000):
            decoder = Decoder()
            assert b"".join(decoder.feed(data[at : at + size]) for at in range(0, len(data), size)).decode() == text
    assert show_line(text.encode("utf-8-sig").splitlines()[0]) == "steps: 1%|█"


def test_a_long_line_is_cut_and_says_so():
    shown = show_line(b"x" * 200_000_000)
    assert shown == "x" * SHOWN + "... (+199,998,000 bytes)"


def test_invalid_utf8_is_marked():
    assert show_line(b"caf\xc3\xa9 \xff\xfe") == "café \ufffd\ufffd"
