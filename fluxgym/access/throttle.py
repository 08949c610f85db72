"""Slows down who tries keys and links that are none: each wrong try of an address waits longer than the one before."""

import asyncio
import time
from dataclasses import dataclass, field

FORGET = 10.0  # s after which one wrong try is forgotten
FIRST = 0.25  # s that the first slowed try waits; each further one twice as long
MOST_ADDRESSES = 10_000


@dataclass
class Throttle:
    """`free`: wrong tries without a wait; `longest`: s of a wait; `room`: how many may wait at once.

    Who finds the room full is turned away."""

    free: int
    longest: float
    room: int
    waiting: int = 0
    _tries: dict[str, tuple[float, float]] = field(default_factory=dict)  # by address: how many, when by the monotonic clock

    @property
    def is_full(self) -> bool:
        """Whether so many wait already that nobody else is heard."""
        return self.waiting >= self.room

    def delay(self, address: str) -> float:
        """Counts a wrong try. How long it has to wait, in s."""
        now = time.monotonic()
        count, when = self._tries.get(address, (0.0, now))
        count = max(0.0, count - (now - when) / FORGET) + 1
        if len(self._tries) >= MOST_ADDRESSES:
            self._tries.clear()
        self._tries[address] = count, now
        over = count - self.free
        return 0.0 if over <= 0 else float(min(self.longest, FIRST * 2 ** min(over - 1, 20)))

    async def slow(self, address: str) -> bool:
        """Waits after a wrong try; False where too many wait already."""
        delay = self.delay(address)
        if self.is_full:
            return False
        self.waiting += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self.waiting -= 1
        return True
