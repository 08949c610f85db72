"""Runs of step lines read by columns: what is taken, what is left to the reader of single lines."""

import pytest

from fluxgym.log.dialects import BAR, read_bar
from fluxgym.log.runs import FEWEST, SAME, count_alike, counting, read_run

from .logs import regular_steps


def run_of(text):
    data = text.encode()
    return read_run(data, data.translate(SAME), BAR.match(data))


def one_by_one(text):
    return [read_bar(BAR.match(line)) for line in text.encode().splitlines()]


def test_a_run_is_what_its_lines_say():
    text = regular_steps(1000, 1199, 10, 0.4)
    run, bars = run_of(text), one_by_one(text)
    count = len(run.steps)
    assert count >= FEWEST
    assert list(run.steps) == [bar.step for bar in bars[:count]]
    assert list(run.losses) == [bar.loss for bar in bars[:count]]
    assert list(run.times) == [bar.clock for bar in bars[:count]]
    assert run.last == bars[count - 1]
    assert run.size == sum(len(line) for line in text.encode().splitlines(keepends=True)[:count])


def test_kohya_bars_of_one_width_are_a_run_too():
    line = "steps:  50%|#####     | {}/9000 [1:{:02d}:{:02d}<2:00:00,  3.00s/it, avr_loss=0.{}]\n"
    text = "".join(line.format(4000 + n, n * 3 // 60, n * 3 % 60, 300 + n) for n in range(100))
    run, bars = run_of(text), one_by_one(text)
    assert list(run.losses) == [bar.average for bar in bars]
    assert list(run.times) == [bar.clock for bar in bars]


def test_each_change_of_the_learning_rate_is_in_a_run():
    text = "".join(
        line.replace("lr=2e-04", f"lr={2 + (number >= 50) + (number >= 70)}e-0{4 if number < 90 else 5}")
        for number, line in enumerate(regular_steps(1000, 1199, 10, 0.4).splitlines(keepends=True))
    )
    run, bars = run_of(text), one_by_one(text)
    assert len(run.steps) > 90
    assert run.rates == [(1000, 2e-4), (1050, 3e-4), (1070, 4e-4), (1090, 4e-5)]
    assert [bar.lr for bar in bars[88:92]] == [4e-4, 4e-4, 4e-5, 4e-5]
    assert run_of(text.replace(", lr=", ", rate=")).rates == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" 1050/", " 1049/"),  # not counting up
        ("10:00:20", "10:00:99"),  # no time of day
        ("10:00:20", "10:00:00"),  # the clock goes back
        ("2026-11-24 10:00:20", "2027-11-24 10:00:20"),
        ("loss=0.13", "loss=0.n3"),
    ],
)
def test_what_is_irregular_never_slips_in(old, new):
    text = regular_steps(1000, 1099, 0, 0.4)
    assert run_of(text) is not None
    changed = text.replace(old, new)
    run = run_of(changed)
    if run is not None:
        bars = one_by_one(changed)
        assert list(run.steps) == [bar.step for bar in bars[: len(run.steps)]]
        assert list(run.times) == [bar.clock for bar in bars[: len(run.steps)]]


def test_a_run_ends_with_its_hour():
    text = regular_steps(1000, 1999, 3500, 1)
    run = run_of(text)
    assert len(run.steps) == 100


def test_short_ones_are_left():
    assert run_of(regular_steps(1000, 1000 + FEWEST - 2, 0, 1)) is None


@pytest.mark.parametrize("alike", [1, 2, 3, 31, 32, 33, 100])
def test_lines_alike_are_counted(alike):
    assert count_alike(b"abc\n" * alike + b"abd\n" * 50, 0, 4) == alike
    assert count_alike(b"abc\n" * alike, 0, 4) == alike


def test_digits_of_numbers_that_count_up():
    for digit, first, count in ((0, 7, 25), (1, 95, 30), (3, 9_990, 10), (3, 123_456, 700)):
        assert counting(digit, first, count).decode() == "".join(str(n // 10**digit % 10) for n in range(first, first + count))
