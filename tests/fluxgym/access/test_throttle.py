"""Wrong tries wait longer and longer, are forgotten in time, and the waiting room has an end."""

import asyncio
import itertools
import time

from fluxgym.access import throttle
from fluxgym.access.throttle import Throttle


def test_the_first_tries_are_free_then_each_waits_twice_as_long():
    mine = Throttle(free=3, longest=2.0, room=10)
    delays = [mine.delay("a") for _ in range(9)]
    assert delays[:3] == [0, 0, 0]
    assert all(later >= earlier for earlier, later in itertools.pairwise(delays))
    assert 0.2 < delays[3] <= 0.25 and delays[-1] == 2.0
    assert mine.delay("b") == 0, "another address has its own count"


def test_wrong_tries_are_forgotten(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    mine = Throttle(free=2, longest=2.0, room=10)
    assert [mine.delay("a") for _ in range(3)] == [0, 0, 0.25]
    now[0] = 3 * throttle.FORGET
    assert mine.delay("a") == 0


def test_who_finds_the_room_full_is_turned_away():
    async def ask() -> list[bool]:
        mine = Throttle(free=0, longest=0.2, room=5)
        said = await asyncio.gather(*(mine.slow("a") for _ in range(50)))
        assert mine.waiting == 0 and not mine.is_full
        return said

    assert sorted(asyncio.run(ask())) == [False] * 45 + [True] * 5


def test_addresses_without_end_fill_no_memory(monkeypatch):
    monkeypatch.setattr(throttle, "MOST_ADDRESSES", 100)
    mine = Throttle(free=1, longest=1.0, room=1)
    for number in range(1000):
        mine.delay(str(number))
    assert len(mine._tries) <= 100
