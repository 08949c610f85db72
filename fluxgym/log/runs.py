"""Long runs of step lines read by columns: why a log of a gigabyte is parsed in seconds.

Our step lines have a fixed width, so consecutive ones mostly differ in digits alone. Such lines are found by comparing the
text with all digits made equal, many lines at once, and each field is then cut out of all of them by one slice with the
line's length as its stride. Whatever does not fit exactly is left to the reader of single lines, which gives the same.
"""

import re
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from operator import sub

from fluxgym.log.dialects import find_words, hour_base, read_bar
from fluxgym.log.events import Step

SAME = bytes.maketrans(b"0123456789", b"0" * 10)
FEWEST = 32  # lines from which on a run is worth its preparation
JUMP = 60  # s; longer steps are no matter of runs: their clock may have been set forward
LOW = 4  # digits of the step that may change within a run, so that it has at most 10,000 lines
RATE = re.compile(rb"\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=[,\]]|$)")
DECIMAL = re.compile(rb"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive steps, each one more than the step before, all losses finite."""

    steps: "array[int]"
    losses: "array[float]"
    times: "array[float]"  # seconds, see Step.clock; never falling
    elapsed: float  # of the first step, see Step.elapsed
    last: Step
    rates: list[tuple[int, float]]  # since which step the learning rate is what
    size: int  # bytes of the text


@dataclass(frozen=True, slots=True)
class Table:
    """`count` lines of `width` bytes (newline included) from `start` on in `data`."""

    data: bytes
    start: int
    width: int
    count: int

    def column(self, at: int) -> bytes:
        """One byte of each line."""
        return self.data[self.start + at : self.start + self.count * self.width : self.width]

    def is_constant(self, start: int, stop: int) -> bool:
        """True when all lines have the same bytes there."""
        return all(
            self.column(at) == self.data[self.start + at : self.start + at + 1] * self.count for at in range(start, stop)
        )

    def keys(self, places: list[int], size: int) -> memoryview:
        """The bytes at `places` of each line as one integer of `size` bytes, filled with "0" in front."""
        text = bytearray(b"0" * (size * self.count))
        for number, at in enumerate(places, size - len(places)):
            text[number::size] = self.column(at)
        return memoryview(text).cast("Q" if size == 8 else "I")


def read_run(data: bytes, shape: bytes, bar: re.Match[bytes]) -> Run | None:
    """The run that begins with the line that is `bar`; None where it is short or not quite regular.

    `shape` is data.translate(SAME)."""
    start, width = bar.start(), bar.end() + 1 - bar.start()
    step_end, first = bar.end("step") - start, int(bar["step"])
    low = min(LOW, step_end - bar.start("step") + start)
    count = min(count_alike(shape, start, width), 10**LOW - first % 10**LOW)
    kind = "" if bar["hour"] else "bar_"
    base, loss = hour_base(bar["hour"], bar["bar_hour"]), loss_span(bar)
    if count < FEWEST or base is None or loss is None or find_words(bar["name"])[0].is_in_epoch:
        return None
    # The hour, the epoch and the higher digits of the step must stay; a run ends with the hour.
    fixed = [(bar.start("step") - start, step_end - low)]
    fixed += [(at - start, end - start) for at, end in map(bar.span, (kind + "hour", "epoch", "epochs")) if at >= 0]
    count = count_fixed(Table(data, start, width, count), fixed)
    table = Table(data, start, width, count)
    if count < FEWEST or not counts_up(table, step_end, low, first) or not all(table.is_constant(*span) for span in fixed):
        return None
    minute, second = bar.start(kind + "minute") - start, bar.start(kind + "second") - start
    try:
        times = [base + CLOCK[key] for key in table.keys([minute, minute + 1, second, second + 1], 4)]
    except ValueError:
        return None  # a minute or second over 59
    end = bar.re.match(data, start + (count - 1) * width)
    if end is None or sorted(times) != times:
        return None
    elapsed, last = read_bar(bar).elapsed, read_bar(end)
    if elapsed is None or last.elapsed is None:
        return None
    if times[-1] - times[0] - (last.elapsed - elapsed) > JUMP / 2 and max(map(sub, times[1:], times)) > JUMP:
        return None
    places = [at - start for at in range(*loss) if data[at] != ord(".")]
    numbers = Numbers.of(len(data[loss[0] : loss[1]].partition(b".")[2]))
    losses = array("d", map(numbers.__getitem__, table.keys(places, 8)))
    steps, rates = array("q", range(first, first + count)), read_rates(table, bar, first)
    return Run(steps, losses, array("d", times), elapsed, last, rates, count * width)


def read_rates(table: Table, bar: re.Match[bytes], first: int) -> list[tuple[int, float]]:
    """The learning rate of the first line, then each that differs from the one before, with its step."""
    rate = find_words(bar["name"])[1][2]
    at = bar.string.find(b" %s=" % rate, bar.start("postfix") - 1, bar.end("postfix"))
    number = RATE.match(bar.string, at + len(rate) + 2, bar.end("postfix")) if at >= 0 else None
    if number is None:
        return []
    start, stop = number.start() - bar.start(), number.end() - bar.start()
    if table.is_constant(start, stop):
        return [(first, float(number[0]))]
    begins = range(table.start + start, table.start + table.count * table.width, table.width)
    texts = [table.data[begin : begin + stop - start] for begin in begins]
    changes = [0, *(line for line in range(1, table.count) if texts[line] != texts[line - 1])]
    return [(first + line, float(texts[line])) for line in changes]


def count_fixed(table: Table, spans: list[tuple[int, int]]) -> int:
    """How many lines, from the first on, have the same bytes in all spans, if those that have them stand together."""

    def differs(line: int) -> bool:
        at = table.start + line * table.width
        return any(table.data[at + a : at + b] != table.data[table.start + a : table.start + b] for a, b in spans)

    return bisect_left(range(table.count), True, key=differs) if differs(table.count - 1) else table.count


def count_alike(shape: bytes, start: int, width: int) -> int:
    """How many lines have the shape of the one at `start`, itself included."""
    block = shape[start : start + width]
    count, size = 1, 1
    while shape.startswith(block, start + count * width):
        count += size
        block, size = block * 2, size * 2
    while size > 1:
        size //= 2
        if shape.startswith(block[: size * width], start + count * width):
            count += size
    return count


def loss_span(bar: re.Match[bytes]) -> tuple[int, int] | None:
    """Where the step's loss stands, or where there is none the average; None unless it is a plain decimal number."""
    start, stop = bar.span("postfix")
    for word in find_words(bar["name"])[1][:2]:
        at = bar.string.find(b" %s=" % word, start - 1, stop)
        if at >= 0:
            begin = at + len(word) + 2
            number = DECIMAL.match(bar.string, begin, stop)
            fits = number is not None and len(number[0]) <= 9 and bar.string[number.end() : number.end() + 1] in b",]"
            return number.span() if number and fits else None
    return None


def counts_up(table: Table, step_end: int, low: int, first: int) -> bool:
    """True when the step of each line is one more than that of the line before (its higher digits are known to stay)."""
    return all(table.column(step_end - 1 - digit) == counting(digit, first, table.count) for digit in range(low))


def counting(digit: int, first: int, count: int) -> bytes:
    """The decimal digit worth 10**digit of the numbers first, first + 1, ..."""
    cycle = one_cycle(digit)
    begin = first % len(cycle)
    return (cycle * (1 + (begin + count) // len(cycle)))[begin : begin + count]


@lru_cache(maxsize=LOW)
def one_cycle(digit: int) -> bytes:
    return b"".join(b"%d" % value * 10**digit for value in range(10))


class Clock(dict[int, float]):
    """Seconds of the hour by the four digits MMSS as an integer of the machine."""

    def __missing__(self, key: int) -> float:
        text = key.to_bytes(4, sys.byteorder)
        minute, second = int(text[:2]), int(text[2:])
        if minute > 59 or second > 59:
            raise ValueError(f"got {text!r}, expected minutes and seconds up to 59")
        self[key] = value = 60.0 * minute + second
        return value


class Numbers(dict[int, float]):
    """Values by their eight digits as an integer of the machine; losses repeat, so most are found here."""

    MOST = 1 << 16

    def __init__(self, decimals: int):
        super().__init__()
        self._scale = 10**decimals

    def __missing__(self, key: int) -> float:
        if len(self) >= self.MOST:
            self.clear()
        self[key] = value = int(key.to_bytes(8, sys.byteorder)) / self._scale
        return value

    @staticmethod
    @lru_cache(maxsize=8)
    def of(decimals: int) -> "Numbers":
        return Numbers(decimals)


CLOCK = Clock()
