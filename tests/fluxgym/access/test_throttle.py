"""Wrong tries wait longer and longer, whoever makes them, are forgotten in time, and the room for them has an end."""

import asyncio
import itertools

import pytest

from fluxgym.access import throttle
from fluxgym.access.throttle import Full, Throttle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(throttle, "monotonic", lambda: now[0])
    return now


def test_the_first_tries_are_free_then_each_waits_twice_as_long(clock):
    mine = Throttle(free=3, longest=2.0, room=10)
    delays = [mine.count() for _ in range(9)]
    assert delays == [0, 0, 0, 0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert all(later >= earlier for earlier, later in itertools.pairwise(delays))


def test_wrong_tries_are_forgotten(clock):
    mine = Throttle(free=2, longest=2.0, room=10)
    assert [mine.count() for _ in range(3)] == [0, 0, 0.25]
    clock[0] += 3 * throttle.FORGET
    assert mine.count() == 0


def test_any_number_of_them_is_counted(clock):
    mine = Throttle(free=2, longest=2.0, room=10)
    assert {mine.count() for _ in range(10_000)} == {0, 0.25, 0.5, 1.0, 2.0}


def test_who_finds_the_room_full_is_turned_away_before_anything_is_looked_at():
    looked = 0

    async def try_one(mine: Throttle) -> bool:
        nonlocal looked
        try:
            async with mine.enter():
                looked += 1
                await asyncio.sleep(0.01)
                await mine.slow()
                return True
        except Full:
            return False

    async def run() -> None:
        mine = Throttle(free=0, longest=0.1, room=5)
        said = await asyncio.gather(*(try_one(mine) for _ in range(500)))
        assert sorted(said) == [False] * 495 + [True] * 5 and looked == 5
        assert mine.trying == 0

    asyncio.run(run())
