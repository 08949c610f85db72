"""Slows down who tries keys and links that are none: each wrong try waits longer than the one before, whoever it comes from.

Addresses are not told apart: behind a tunnel or a proxy all are the same, or what the one who asks has made up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

FORGET = 10.0  # s after which one wrong try is forgotten
FIRST = 0.25  # s that the first slowed try waits; each further one twice as long


class Full(Exception):
    """So many are trying that nobody else is heard."""


@dataclass
class Throttle:
    """`free`: wrong tries without a wait; `longest`: s of a wait; `room`: how many may try, or wait, at once."""

    free: int
    longest: float
    room: int
    trying: int = 0
    _count: float = 0.0  # wrong tries that are not forgotten
    _counted: float = 0.0  # when, by the monotonic clock

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """For one try, from before it is looked at until it has waited. Raises Full."""
        if self.trying >= self.room:
            raise Full
        self.trying += 1
        try:
            yield
        finally:
            self.trying -= 1

    def count(self) -> float:
        """Counts a wrong try. How long it has to wait, in s."""
        now = monotonic()
        self._count = max(0.0, self._count - (now - self._counted) / FORGET) + 1
        self._counted = now
        over = self._count - self.free
        return 0.0 if over <= 0 else float(min(self.longest, FIRST * 2 ** min(over - 1, 20)))

    async def slow(self) -> None:
        """Waits after a wrong try."""
        await asyncio.sleep(self.count())
