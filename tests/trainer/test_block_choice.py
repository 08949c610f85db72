"""Blocks as a person writes them."""

import subprocess
import sys

import pytest

from trainer.block_choice import KINDS, parse_blocks


def chosen(text, double=19, single=38):
    blocks = parse_blocks(text)
    counts = {"double": double, "single": single}
    return {kind: [number for number in range(counts[kind]) if blocks.includes(kind, number)] for kind in KINDS}


@pytest.mark.parametrize(
    ("text", "double", "single"),
    [
        ("all", [*range(19)], [*range(38)]),
        (" all ", [*range(19)], [*range(38)]),
        ("double", [*range(19)], []),
        ("single", [], [*range(38)]),
        ("single 7", [], [7]),
        ("single 7 20", [], [7, 20]),
        ("double 0-2, single 7 20-22", [0, 1, 2], [7, 20, 21, 22]),
        ("single 7 - 9 0,double", [*range(19)], [0, 7, 8, 9]),
    ],
)
def test_what_is_chosen(text, double, single):
    assert chosen(text) == {"double": double, "single": single}


@pytest.mark.parametrize(
    "text",
    ["", "none", "double,", "double 5-3", "7", "double x", "double 1, double 2", "triple 1", "double -1", "single 0-1000"],
)
def test_what_cannot_be_read_is_told_with_the_choices(text):
    with pytest.raises(ValueError, match="expected 'all', or kinds") as raised:
        parse_blocks(text)
    assert repr(text) in str(raised.value) and "double or single" in str(raised.value)


def test_numbers_that_a_model_does_not_have():
    counts = {"double": 5, "single": 20}
    assert parse_blocks("double 0-5, single 19 30").find_problems(counts) == [
        "got double 5, expected double 0-4",
        "got single 30, expected single 0-19",
    ]
    assert parse_blocks("all").find_problems(counts) == parse_blocks("double 4, single").find_problems(counts) == []


def test_imports_no_torch():
    script = "import sys, trainer.block_choice; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
