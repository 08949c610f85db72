"""How far a long piece of work is, in a file that is whole at all times, for whoever waits for it. Imports no torch.

A process that FluxGym starts for such work (fluxgym/job) finds the file's path in FLUXGYM_PROGRESS; without it nothing is
written."""

import json
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.disk import write_whole

PLACE = "FLUXGYM_PROGRESS"
VERSION = 1
EVERY = 0.3  # s between two writes, at least
WINDOW = 10.0  # s over which the rate is seen


class Progress:
    """Tells how much of `total` is done, in `unit`s such as images or bytes. A total of None is not known yet."""

    def __init__(
        self, unit: str, total: int | None, path: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        said = os.environ.get(PLACE)
        self.unit, self.total, self._clock = unit, total, clock
        self._path = path or (Path(said) if said else None)
        self._seen: deque[tuple[float, int]] = deque()
        self._written = float("-inf")
        self._result: dict[str, Any] = {}
        self._done, self._note = 0, ""

    def tell(self, done: int, note: str = "", total: int | None = None) -> None:
        """`note`: what is being worked on, such as a file's name. Raises NotWritten."""
        self.total = total if total is not None else self.total
        self._done, self._note = done, note
        now = self._clock()
        if self._seen and done < self._seen[-1][1]:  # began again
            self._seen.clear()
        self._seen.append((now, done))
        while now - self._seen[0][0] > WINDOW and len(self._seen) > 2:
            self._seen.popleft()
        if now - self._written >= EVERY or done == self.total:
            self._write(now)

    def give(self, **result: Any) -> None:
        """What came of it, such as an address; told beside the progress from now on. Raises NotWritten."""
        self._result |= result
        self._write(self._clock())

    @property
    def rate(self) -> float | None:
        """Units in a second, lately; None where too little was seen."""
        if len(self._seen) < 2:
            return None
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - began) if now > began else None

    def _write(self, now: float) -> None:
        if self._path is None:
            return
        said = {"version": VERSION, "unit": self.unit, "done": self._done, "total": self.total, "note": self._note}
        said |= {"rate": self.rate, "result": self._result}
        write_whole(self._path, json.dumps(said).encode())
        self._written = now
