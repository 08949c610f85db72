"""kohya's prompt syntax: options behind a text, and what is said about those that cannot be."""

import pytest

from trainer.prompts import Picture, parse_prompt, read_prompt_file

DEFAULTS = Picture("", width=512, height=512, steps=20, guidance=3.5, seed=42)


def test_a_plain_text_is_drawn_as_the_settings_say():
    assert parse_prompt("  a cat in the snow ", DEFAULTS) == Picture("a cat in the snow", "", 512, 512, 20, 3.5, 1.0, 42)


def test_every_option():
    line = "a cat - really --n blurry, a dog --w 768 --h 1024 --s 28 --g 2.5 --l 4 --d 7"
    wanted = Picture("a cat - really", "blurry, a dog", 768, 1024, 28, 2.5, 4.0, 7)
    assert parse_prompt(line, DEFAULTS) == wanted
    assert parse_prompt("a well--known cat--s", DEFAULTS).prompt == "a well--known cat--s", "an option stands alone"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a cat --w 1000", r"got --w 1000, expected a whole number from 64 to 2048, a multiple of 16"),
        ("a cat --s many", r"got --s 'many', expected a whole number from 1 to 100"),
        ("a cat --d -1", r"got --d -1, expected a whole number from 0 to 2147483647"),
        ("a cat --l 0.5", r"got --l 0.5, expected a number from 1 to 100"),
        ("a cat --g nan", r"got --g nan, expected a number from 0 to 100"),
        ("a cat --ss euler", r"got the option --ss in 'a cat --ss euler', expected one of --w, --h, --s, --d, --g, --l, --n"),
        ("--w 512", r"got '--w 512', expected a prompt before its options"),
        ("", r"got '', expected a prompt"),
    ],
)
def test_what_cannot_be_is_told(line, problem):
    with pytest.raises(ValueError, match=problem):
        parse_prompt(line, DEFAULTS)


def test_a_prompt_file(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeff# mine\n\na cat --s 4\n  a dog  \n", encoding="utf-8")
    assert read_prompt_file(path) == ["a cat --s 4", "a dog"]
    path.write_text("# nothing\n")
    with pytest.raises(ValueError, match="without a prompt, expected one on each line"):
        read_prompt_file(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"cannot be read: .*; expected UTF-8 text"):
        read_prompt_file(path)
    with pytest.raises(ValueError, match="which cannot be read"):
        read_prompt_file(tmp_path / "nowhere.txt")
