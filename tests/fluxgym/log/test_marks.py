"""Marks along the steps."""

from fluxgym.log.marks import Marks


def test_a_step_is_marked_once_and_what_lies_behind_it_is_dropped() -> None:
    marks = Marks()
    for step in (10, 20, 20, 30, 20):
        marks.add(marks.samples, step)
    assert list(marks.samples) == [10, 20]
    assert list(marks.checkpoints) == []


def test_only_changes_of_the_rate_are_kept() -> None:
    marks = Marks()
    for step, rate in ((1, 1e-4), (2, 1e-4), (3, 2e-4), (4, 2e-4), (5, 1e-4)):
        marks.hear_rate(step, rate)
    assert (list(marks.rate_steps), list(marks.rates)) == ([1, 3, 5], [1e-4, 2e-4, 1e-4])
    marks.hear_rate(4, 3e-4)  # it went back
    assert (list(marks.rate_steps), list(marks.rates)) == ([1, 3, 4], [1e-4, 2e-4, 3e-4])


def test_few_stay_where_few_are_wanted() -> None:
    marks = Marks()
    for step in range(100):
        marks.hear_rate(step, step)
        marks.keep_last(10)
    assert 10 <= len(marks.rates) == len(marks.rate_steps) <= 20
    assert marks.rates[-1] == 99
