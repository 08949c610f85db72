"""The table of kohya's options: nothing is in it twice, and numbers are read with what is expected."""

import pytest

from fluxgym.form import kohya_table as table


def test_each_option_has_one_meaning() -> None:
    groups = [table.NUMBERS, table.TEXTS, table.SWITCHES, table.CHOICES, table.SAME, table.ELSEWHERE, table.KNOWN]
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(set(names))


def test_why_an_option_is_not_taken() -> None:
    assert "memory.preset" in table.find_reason("blocks_to_swap")
    assert table.find_reason("noise_offset") == table.NOTHING
    assert table.find_reason("noize_offset") == table.UNKNOWN


def test_numbers() -> None:
    assert [table.read_number(int, text) for text in ("4", "4.0", "1e2")] == [4, 4, 100]
    assert table.read_number(float, "8e-4") == 8e-4
    for text in ("x", "4.5", "inf", ""):
        with pytest.raises(ValueError, match="expected a whole number"):
            table.read_number(int, text)
