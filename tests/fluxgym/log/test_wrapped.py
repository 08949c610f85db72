"""What a terminal broke at its width."""

import pytest

from fluxgym.log.dialects import read_bar, read_text
from fluxgym.log.events import Resume
from fluxgym.log.wrapped import Wrapped

BAR = "2026-11-24 10:15:03 steps:   7%|7         | 21/300 [00:02<00:27, 11.00it/s, loss=0.9834, avr_loss=0.9, lr=2e-04]"
BACKUP = "Continuing training from backup '/a long way to it/backup/2024-10-02_14-41-07-backup-16-2-0'..."


def join(lines):
    wrapped = Wrapped()
    return [bar and read_bar(bar) for bar in map(wrapped.join_bar, lines)]


@pytest.mark.parametrize("width", [79, 80, 100])
def test_a_bar_in_pieces_is_whole_with_its_last_one(width):
    pieces = [BAR[at : at + width] for at in range(0, len(BAR), width)]
    *before, bar = join(pieces)
    assert not any(before)
    assert (bar.step, bar.loss, bar.lr) == (21, 0.9834, 2e-4)


def test_a_bar_that_never_ended_joins_nothing():
    half = BAR[:90]
    assert join([half, "Traceback (most recent call last):", "loss=0.5]", "]"]) == [None] * 4
    assert join([half, half, BAR[90:]])[-1].step == 21
    assert join([BAR[:50], BAR[50:]]) == [None] * 2  # it was cut by something else: no terminal is so narrow
    assert join([half, "(" + BAR[90:].rjust(90)]) == [None] * 2  # the rest is longer than the terminal was wide


def test_a_text_goes_on_only_behind_a_line_that_is_full():
    wrapped = Wrapped()
    assert wrapped.join_text(BACKUP[:80], 80, None) is None
    assert wrapped.join_text(BACKUP[80:], 15, None) == Resume(16, epochs=2)
    assert wrapped.join_text(BACKUP[:60], 60, None) is None
    assert wrapped.join_text(BACKUP[60:], 35, None) is None


def test_what_a_line_says_alone_counts():
    wrapped = Wrapped()
    wrapped.join_text(BACKUP[:80], 80, None)
    alone = read_text("Resuming: step 3 of 9")
    assert wrapped.join_text("Resuming: step 3 of 9", 21, alone) is alone
    assert wrapped.join_text(BACKUP[80:], 15, None) is None
