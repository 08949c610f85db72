"""Search in a log, over all its parts: each update reads only what is new, and takes the same memory however long the log is.

Lines are those that a terminal would leave (fluxgym.log.lines.show_line), numbered from 1 over all parts. A block of the log is
first asked as a whole, then its lines by their bytes; only lines that can fit, and are not as plain as they look, become text.
"""

import math
import re
import threading
import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import contains, itemgetter
from pathlib import Path

from fluxgym.log.follow import FIRST, Source
from fluxgym.log.levels import WORDS, Level, level_of
from fluxgym.log.lines import SHOWN, Decoder, show_line

ALL = "all"
MOST = 5000  # hits that are kept
LONGEST = 64 * 1024  # bytes of one line that are kept
PIECE = 128 * 1024  # bytes at once: what a search asks of them then stays in the cache of the CPU
READ = 8 * PIECE
FEW, BLOCKS = 32, 64  # hits of a block that are taken at once; blocks with more, that wait to be taken apart
APART = 1024 * 1024  # bytes between two places whose line numbers are remembered
# What lines of a training are made of, the commonest bytes first; others count as common, they may be parts of letters.
COMMON = b" 0123456789.,:|#[]/-=%eslpatirov_ndchmugfbkywjxqzEATSILNODMPCRUGBFVHWKXYQJZ"
ODD = (b"\r", b"\x1b", b"\x08", b"\x00")  # a line with one of these is not shown as it is written


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines fit: those with this text, of this level."""

    text: str = ""
    level: str = ALL  # or warning, or error: only those
    is_case_sensitive: bool = False

    def __post_init__(self) -> None:
        if self.level not in (ALL, *WORDS):
            raise ValueError(f"got the level {self.level[:80]!r}, expected one of {', '.join((ALL, *WORDS))}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A line, ready for the eye."""

    number: int  # from 1
    text: str
    level: Level | None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found so far. `rest` is the last line while it has no end yet, if it fits: it still changes, and is no hit."""

    hits: list[Hit] = field(default_factory=list)  # the last ones
    count: int = 0  # of all that fit
    lines: int = 0  # of the log, `rest` included
    is_whole: bool = True  # all was read that is there
    rest: Hit | None = None


class Lines:
    """Cuts bytes into whole lines, however they arrive. Of the unfinished one it keeps what a terminal shows of it."""

    def __init__(self) -> None:
        self.carry = b""
        self.dropped = 0  # bytes of the unfinished line that are not kept
        self._decoder = Decoder()

    @property
    def is_plain(self) -> bool:
        """Whether the place of `carry` in the file is known: so many bytes before its end."""
        return self._decoder.is_plain and not self.dropped

    def cut(self, new: bytes) -> list[tuple[bytes, int]]:
        """The lines that have their end now, in blocks. A line of which bytes at its end are lost is a block of its own; the
        number says how many."""
        data = self.carry + self._decoder.feed(new)
        end = data.rfind(b"\n") + 1
        start = data.index(b"\n") + 1 if end and self.dropped else 0
        blocks = []
        if start:
            blocks.append((data[:start], 0 if find_state(data[:start]) else self.dropped))
            self.dropped = 0
        if end > start:
            blocks.append((data[start:end], 0))
        rest = data[end:]
        if state := find_state(rest):
            rest, self.dropped = rest[state:], 0
        self.dropped += max(0, len(rest) - LONGEST)
        self.carry = rest[:LONGEST]
        return blocks


def find_state(line: bytes) -> int:
    """Where the last state of a line begins: a bar that is drawn over itself leaves no more."""
    return line.rfind(b"\r", 0, len(line.rstrip(b"\r\n"))) + 1


class Needle:
    """Bytes to look for. Their rarest one is looked for first: where it is missing that is seen ten times as fast."""

    def __init__(self, data: bytes):
        self._data = data
        self._rare = max((data[i : i + 1] for i in range(len(data))), key=COMMON.find, default=b"")
        self._before = data.find(self._rare)

    def find_in(self, data: bytes) -> int:
        """The first place; -1 where there is none."""
        at = data.find(self._rare)
        return data.find(self._data, max(0, at - self._before)) if at >= 0 else -1


class Search:
    """One search in one log. `most`: hits that are kept."""

    def __init__(self, log: Path, wanted: Wanted, most: int = MOST):
        self.log, self.wanted, self._most = Path(log), wanted, most
        self._lock = threading.Lock()
        self._source = Source(self.log, part=FIRST, most=READ)
        text = wanted.text if wanted.is_case_sensitive else wanted.text.lower()
        # what a line that fits must have among its bytes; outside ASCII an upper case letter may be of another length
        pieces = [text] if wanted.is_case_sensitive else "".join(c if c.isascii() else "\n" for c in text).split("\n")
        self._text, self._needle = text, max(pieces, key=len).encode("utf-8", "replace")
        self._place = Needle(self._needle)
        self._line = re.compile(re.escape(self._needle) + rb"[^\n]*")
        self._is_exact = wanted.level == ALL and (wanted.is_case_sensitive or text.isascii()) and "\n" not in text
        self._words = [Needle(word.encode()) for word in WORDS.get(wanted.level, ())]
        self._begin()

    def _begin(self) -> None:
        self._lines = Lines()
        self._ended = self._count = 0
        self._hits: deque[Hit] = deque(maxlen=self._most)
        self._fresh: deque[tuple[int, bytes | str]] = deque(maxlen=self._most)
        self._latest: deque[tuple[int, int, bytes]] = deque()  # see _take
        self._waiting = 0  # hits in them
        self._marks = [(0, FIRST, 0)]  # so many lines end before this offset of this part
        self._is_whole = False
        self._found: Found | None = None

    def update(self, seconds: float = math.inf) -> Found:
        """Reads what is new, for about so many seconds at most, and tells what was found so far."""
        until = time.monotonic() + seconds
        with self._lock:
            while True:
                data, is_new = self._source.read()
                if is_new:
                    self._begin()
                self._is_whole = not data
                if not data:
                    break
                self._found = None
                for start in range(0, len(data), PIECE):
                    self._take_in(data[start : start + PIECE])
                self._mark()
                if time.monotonic() > until:
                    break
            if self._found is None or self._found.is_whole != self._is_whole:
                self._found = self._tell()
            return self._found

    def _take_in(self, data: bytes) -> None:
        for block, dropped in self._lines.cut(data):
            if dropped:
                self._search_one(show_line(block, dropped))
            else:
                self._search(block)

    def place_before(self, number: int) -> tuple[int, int, int]:
        """A place before the end of that line: how many lines end before it, and its part and offset."""
        with self._lock:
            return self._marks[max(0, bisect_right(self._marks, number - 1, key=itemgetter(0)) - 1)]

    def _mark(self) -> None:
        source, lines = self._source, self._lines
        _, part, offset = self._marks[-1]
        here = source.offset - len(lines.carry)
        if lines.is_plain and (source.part != part or here - offset >= APART):
            self._marks.append((self._ended, source.part, here))

    def _tell(self) -> Found:
        self._keep_latest()
        for number, row in self._fresh:
            text = row if isinstance(row, str) else show_line(row)
            self._hits.append(Hit(number, text, level_of(text)))
        self._fresh.clear()
        has_rest = bool(self._lines.carry)
        lines, rest = self._ended + has_rest, None
        if has_rest and self._fits(text := show_line(self._lines.carry, self._lines.dropped)):
            rest = Hit(lines, text, level_of(text))
        return Found(list(self._hits), self._count, lines, self._is_whole, rest)

    def _take(self, first: int, count: int, block: bytes) -> None:
        """Counts the hits of a block whose first line has that number. It is taken apart when no more come: mostly never."""
        self._count += count
        self._latest.append((first, count, block))
        self._waiting += count
        while self._waiting - self._latest[0][1] >= self._most:
            self._waiting -= self._latest.popleft()[1]
        if len(self._latest) >= BLOCKS:
            self._keep_latest()

    def _keep_latest(self) -> None:
        """Takes those blocks apart."""
        for first, _, block in self._latest:
            self._keep(enumerate(block[:-1].split(b"\n"), first) if not self._needle else self._find_plain(block, first))
        self._latest.clear()
        self._waiting = 0

    def _search_plain(self, block: bytes, searched: bytes, at: int, first: int) -> None:
        """Few hits are taken at once, many are only counted. The first one is `at` that place."""
        ends: list[int] = []
        while at >= 0 and len(ends) < FEW:
            ends.append(searched.index(b"\n", at))
            at = searched.find(self._needle, ends[-1])
        if at < 0:
            self._keep_latest()
            self._count += len(ends)
            rows = list(number_lines(block, ends, first))
            self._ended = rows[-1][0] - 1 + block.count(b"\n", ends[-1])  # those before were counted for its number
            self._keep(rows)
        else:
            self._count_lines(block)
            self._take(first, len(ends) + len(self._line.findall(searched, at)), block)

    def _find_plain(self, block: bytes, first: int) -> Iterator[tuple[int, bytes]]:
        """The lines with the needle, in a block whose first line has that number."""
        return number_lines(block, [match.end() for match in self._line.finditer(self._fold(block))], first)

    def _search_one(self, text: str) -> None:
        """Takes a line."""
        self._keep_latest()
        self._ended += 1
        if self._fits(text):
            self._count += 1
            self._fresh.append((self._ended, text))

    def _search(self, block: bytes) -> None:
        """Takes a block of whole lines."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        first = self._ended + 1
        if self.wanted.level == ALL and not self._text:
            self._take(first, self._count_lines(block), block)
            return
        is_odd = any(mark in block for mark in ODD)
        searched = self._fold(block)
        at = self._place.find_in(searched)
        if self._is_exact and at >= 0 and not is_odd and not is_long(block):  # lines are shown as they are written
            self._search_plain(block, searched, at, first)
            return
        self._count_lines(block)
        if not is_odd and (at < 0 or not self._has_word(block)):
            return
        self._keep_latest()
        rows = block[:-1].split(b"\n")
        fitting = self._find(rows)
        self._count += len(fitting)
        self._keep((first + index, rows[index]) for index in fitting[-self._most :])

    def _count_lines(self, block: bytes) -> int:
        lines = block.count(b"\n")
        self._ended += lines
        return lines

    def _fold(self, data: bytes) -> bytes:
        return data if self.wanted.is_case_sensitive or not self._needle else data.lower()

    def _find(self, rows: list[bytes]) -> list[int]:
        """Which of the rows fit."""
        plain = [show_line(row).encode() if is_unlike(row) else row for row in rows]
        searched = plain if self.wanted.is_case_sensitive else list(map(bytes.lower, plain))
        found = list(compress(range(len(rows)), map(contains, searched, repeat(self._needle))))
        if self._words:
            found = [index for index in found if self._has_word(plain[index])]
        return found if self._is_exact else [index for index in found if self._fits(show_line(rows[index]))]

    def _has_word(self, data: bytes) -> bool:
        return not self._words or any(word.find_in(data) >= 0 for word in self._words)

    def _fits(self, text: str) -> bool:
        searched = text if self.wanted.is_case_sensitive else text.lower()
        return self._text in searched and (self.wanted.level == ALL or level_of(text) == self.wanted.level)

    def _keep(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self._fresh.extend((number, row if len(row) <= 4 * SHOWN else show_line(row)) for number, row in rows)


def number_lines(block: bytes, ends: list[int], number: int) -> Iterator[tuple[int, bytes]]:
    """The lines that end there, each with its number; `number` is that of the first line of the block."""
    counted = 0
    for end in ends:
        begin = block.rfind(b"\n", 0, end) + 1
        number, counted = number + block.count(b"\n", counted, begin), begin
        yield number, block[begin:end]


def is_unlike(row: bytes) -> bool:
    """Whether the line is not shown as it is written."""
    return len(row) > SHOWN or any(mark in row for mark in ODD)


def is_long(block: bytes) -> bool:
    """Whether one of its lines is cut where it is shown."""
    place = 0
    while place < len(block):
        place = block.rfind(b"\n", place, place + SHOWN + 1) + 1
        if not place:
            return True
    return False


def around(log: Path, number: int, before: int, after: int) -> list[Hit]:
    """The lines from `before` before that number to `after` after it, as far as they are there."""
    search = get_search(log, Wanted())
    search.update()
    first, last = max(1, number - before), number + after
    ended, part, offset = search.place_before(first)
    texts = read_texts(Source(log, offset, part), first - ended - 1, last - first + 1)
    return [Hit(number, text, level_of(text)) for number, text in enumerate(texts, first)]


def read_texts(source: Source, skipped: int, most: int) -> list[str]:
    """The lines that come after so many, as they are shown; the last may have no end."""
    lines, texts = Lines(), list[str]()
    while len(texts) < most:
        data, is_new = source.read()
        if is_new or not data:
            break
        for block, dropped in lines.cut(data):
            rows = block[:-1].split(b"\n")
            texts += [show_line(row, dropped) for row in rows[skipped : skipped + most - len(texts)]]
            skipped = max(0, skipped - len(rows))
    if len(texts) < most and lines.carry and not skipped:
        texts.append(show_line(lines.carry, lines.dropped))
    return texts


MOST_SEARCHES = 48
_searches: OrderedDict[tuple[Path, Wanted], Search] = OrderedDict()
_searches_lock = threading.Lock()


def get_search(log: Path, wanted: Wanted) -> Search:
    """One search for all who want the same of a log; the least used are forgotten."""
    key = Path(log).absolute(), wanted
    with _searches_lock:
        search = _searches.pop(key, None) or Search(*key)
        _searches[key] = search
        while len(_searches) > MOST_SEARCHES:
            _searches.popitem(last=False)
    return search
