"""Numbers as people read them."""

import time

import pytest

from fluxgym.view import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (40, "40 s"),
        (59.7, "1 m"),
        (61, "1 m"),
        (23 * 60, "23 m"),
        (3599, "1 h"),
        (70 * 60, "1 h 10 m"),
        (86_399, "1 d"),
        (51 * 3600, "2 d 3 h"),
        (48 * 3600, "2 d"),
    ],
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-1, "0 s ago"), (2.9, "2 s ago"), (60, "1 m ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages(seconds, text):
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (190_000, "186 KiB"), (1024**2, "1.0 MiB"), (2**50, "1024.0 TiB")],
)
def test_sizes(count, text):
    assert words.size(count) == text


def test_numbers():
    assert (words.loss4(0.26814), words.steps(1520), words.learning_rate(1e-4), words.learning_rate(1.5e-4)) == (
        "0.2681",
        "1,520",
        "1e-04",
        "1.5e-04",
    )
    assert (words.rate(1.984), words.rate(0.09), words.rate(None)) == ("1.98 s/step", "11.1 steps/s", "-")
    assert (words.plural(1, "step"), words.plural(1520, "step")) == ("1 step", "1,520 steps")
    assert {words.loss4(None), words.steps(None), words.learning_rate(None), words.rate(0), words.size(None)} == {"-"}


def test_the_time_of_day():
    noon = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
    assert words.clock(noon + 300, noon) == "12:05"
    assert words.clock(noon + 86_400, noon) == "Wed 12:00"
    assert words.clock(noon + 7 * 86_400, noon) == "1 Dec 12:00"


def test_the_time_left():
    assert (words.left(1380), words.left(0.4), words.left(0)) == ("about 23 m left", "almost done", "almost done")
