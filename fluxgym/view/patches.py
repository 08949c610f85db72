"""Figures sent as what changed since the viewer last asked, so that a refresh costs few bytes however long a run is.

A viewer says which answer it has. Long lists are compared with those of that answer, and only what follows their common
beginning is sent; the rest of the figures is sent where it differs. Whoever is not known any more gets everything.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from fluxgym.view.figures import Figure

LONG = 8  # values; shorter lists are sent whole
MOST = 64  # answers that are remembered


@dataclass(frozen=True)
class Sent:
    """An answer. In `frame` each long list is {"list": its number in `lists`}."""

    name: str
    frame: Any
    lists: list[list[Any]]
    whose: Hashable = None


def split(value: Any, lists: list[list[Any]]) -> Any:
    """The value with a number in place of each long list, which is put into `lists`."""
    if isinstance(value, dict):
        return {key: split(each, lists) for key, each in value.items()}
    if isinstance(value, list) and len(value) > LONG and not isinstance(value[0], dict):
        lists.append(value)
        return {"list": len(lists) - 1}
    return [split(each, lists) for each in value] if isinstance(value, list) else value


def common(one: list[Any], other: list[Any]) -> int:
    """How many values at their beginning are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


@dataclass
class Desk:
    """Answers viewers and remembers what it answered, for all of them together."""

    _answers: OrderedDict[Hashable, Sent] = field(default_factory=OrderedDict)  # by what was asked for
    _lock: Any = field(default_factory=threading.Lock)
    _numbers: Any = field(default_factory=count)
    _begun: str = field(default_factory=lambda: uuid4().hex[:8])  # another server's answers have other names

    def answer(
        self, asked: Hashable, make: Callable[[], dict[str, Figure]], has: str = "", whose: Hashable = None
    ) -> dict[str, Any]:
        """What the viewer that has the answer `has` needs. `asked` stands for the same figures always: name all they show.

        `whose`: an answer to somebody else tells nothing of what it was, not even where it differs."""
        with self._lock:
            old = next((sent for sent in self._answers.values() if (sent.name, sent.whose) == (has, whose)), None)
            new = self._answers.get(asked)
        if new is None:
            lists: list[list[Any]] = []
            frame = split(make(), lists)
            new = Sent(f"{self._begun}-{next(self._numbers)}", frame, lists, whose)
        with self._lock:
            new = self._answers.setdefault(asked, new)  # another viewer may have been quicker
            self._answers.move_to_end(asked)
            while len(self._answers) > MOST:
                self._answers.popitem(last=False)
        return changes(old, new)


def changes(old: Sent | None, new: Sent) -> dict[str, Any]:
    """From one answer to another: {"name", "frame" where it differs, "lists": {number: [kept, what follows]}}."""
    if old and len(old.lists) != len(new.lists):
        old = None
    said: dict[str, Any] = {"name": new.name, "lists": {}}
    if old is None or old.frame != new.frame:
        said["frame"] = new.frame
    for number, values in enumerate(new.lists):
        before = old.lists[number] if old else []
        kept = common(before, values)
        if kept < len(values) or kept < len(before) or old is None:
            said["lists"][number] = [kept, values[kept:]]
    return said
