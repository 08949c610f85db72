"""What a browser that shows a log is told: the lines after the last that it has, as plain values.

It names that line by its number, which counts over all parts of a log, and by a check of its text. So it goes on after a lost
connection, a restart of the server and a rotation without a line twice or one lost. If the log is another one by now, or that
line is too far back, it is told to begin anew. Nobody has a queue: who is too slow finds that lines were skipped.
"""

import time
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from fluxgym.log.levels import level_of
from fluxgym.log.search import ALL, Found, Hit, Wanted, around, get_search
from fluxgym.log.tail import tail
from fluxgym.run.stamp import stamp_of

MOST = 5000  # lines that one viewer may have
NEAR = 150  # lines before and after one that is shown in its place
EVERYTHING = Wanted()
number_of = attrgetter("number")
Told = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a browser asks for: which lines, how many at the beginning, and the last that it has (0: none)."""

    wanted: Wanted = EVERYTHING
    lines: int = 100
    after: int = 0
    check: int = 0


@dataclass(frozen=True)
class Seen:
    """A log at one moment: what was found in it, and what it is on the whole."""

    found: Found
    errors: int
    warnings: int
    is_whole: bool  # all of it was looked at
    size: int  # bytes of the file that is being written
    modified: float | None  # seconds since 1970; None where there is no file


def parse(query: Mapping[str, str]) -> Asked:
    """What an address asks for. Raises ValueError."""
    lines, after, check = (int(query.get(name, preset)) for name, preset in (("lines", 100), ("after", 0), ("check", 0)))
    if not 0 < lines <= MOST:
        raise ValueError(f"got {lines} lines, expected 1 to {MOST}")
    return Asked(Wanted(query.get("text", "")[:1000], query.get("level", ALL), query.get("case") == "1"), lines, after, check)


def look(log: Path, wanted: Wanted, seconds: float) -> Seen:
    """Reads what is new of a log, for about `seconds` at most."""
    _, size, modified = stamp_of(log)
    found = get_search(log, wanted).update(seconds)
    errors, warnings = (get_search(log, Wanted(level=level)).update(seconds) for level in ("error", "warning"))
    is_whole = found.is_whole and errors.is_whole and warnings.is_whole
    return Seen(found, errors.count, warnings.count, is_whole, size, modified / 1e9 if modified else None)


def tell(seen: Seen, asked: Asked) -> Told:
    """What came after the line that the browser has; `begin` says that it has to forget what it shows."""
    hits = seen.found.hits
    place = bisect_right(hits, asked.after, key=number_of)
    last = hits[place - 1] if place else None
    if last and last.number == asked.after and check_of(last) == asked.check:
        return _say(seen, hits[place:])
    if not seen.is_whole:
        return _say(seen, [])
    return _say(seen, hits[-asked.lines :]) | {"begin": True}


def tell_more(seen: Seen, before: Seen, asked: Asked) -> Told:
    """What is new since `before`, of which the browser has everything. Lines that are kept no longer are counted."""
    hits, known = seen.found.hits, before.found.hits
    fresh = seen.found.count - before.found.count
    overlaps = known and fresh < len(hits)
    if fresh < 0 or (overlaps and hits[len(hits) - fresh - 1] != known[-1]):  # a fresh start: it is another log
        return _say(seen, hits[-asked.lines :]) | {"begin": True}
    skipped = max(0, fresh - len(hits))
    return _say(seen, hits[len(hits) - fresh + skipped :]) | ({"skipped": skipped} if skipped else {})


def tell_early(log: Path, seen: Seen, asked: Asked) -> Told:
    """While a long log is read for the first time: its end as it is, without numbers, to who has nothing yet and wants all."""
    told = tell(seen, asked)
    if seen.is_whole or asked.after or asked.wanted != EVERYTHING:
        return told
    return told | {"rows": [[0, text, level_of(text)] for text in tail(log, asked.lines).lines], "rest": None, "begin": True}


def tell_near(log: Path, number: int) -> Told:
    """The lines around one."""
    return {"rows": [_row(hit) for hit in around(log, number, NEAR, NEAR)]}


def tell_next(log: Path, asked: Asked, number: int, is_back: bool) -> Told:
    """The next line that fits after a number, or before it, from the other end where there is none; which of all it is."""
    found = get_search(log, asked.wanted).update()
    hits = found.hits
    if not hits:
        return {"count": 0}
    place = bisect_left(hits, number, key=number_of) - 1 if is_back else bisect_right(hits, number, key=number_of)
    index = place % len(hits)
    return {"number": hits[index].number, "place": found.count - len(hits) + index + 1, "count": found.count}


def check_of(hit: Hit) -> int:
    """By which a line is known again. A browser computes nothing: it gives back what it was sent."""
    return zlib.crc32(hit.text.encode("utf-8", "replace"))


def _say(seen: Seen, hits: list[Hit]) -> Told:
    found = seen.found
    told: Told = {"rows": [_row(hit) for hit in hits], "rest": _row(found.rest) if found.rest and seen.is_whole else None}
    told |= {"count": found.count, "total": found.lines, "errors": seen.errors, "warnings": seen.warnings}
    age = None if seen.modified is None else max(0.0, time.time() - seen.modified)
    told |= {"size": seen.size, "age": age, "is_whole": seen.is_whole}
    return told | {"check": check_of(hits[-1])} if hits else told


def _row(hit: Hit) -> list[Any]:
    return [hit.number, hit.text, hit.level]
