"""The history of a training, read from all parts of its log: every update takes only what is new. Shared by all who look.

Safe to throw away: it is read from the file again. Hold `lock` while using `curve`, `steps`, `losses` or `times`.
"""

import copy
import math
import threading
import time
from collections import OrderedDict
from pathlib import Path

from fluxgym.log.curve import FARTHEST
from fluxgym.log.dialects import BAR, read_bar, read_text, split_line
from fluxgym.log.events import Finished
from fluxgym.log.failures import Failure, FailureFinder
from fluxgym.log.follow import FIRST, Source
from fluxgym.log.lines import LIMIT, Decoder, clean
from fluxgym.log.parts import is_gone
from fluxgym.log.runs import FEWEST, SAME, read_run
from fluxgym.log.story import Story


class History(Story):
    """A Story that is told by a file. Its attributes are those of Story; see there.

    Without `keep_curve` it takes the same little memory however long the training is: `steps`, `losses`, `times`, `points` and
    the means of epochs are then those of the last steps only, which are enough for the pace."""

    def __init__(self, path: Path, keep_curve: bool = True):
        super().__init__()
        self.path, self.keep_curve = Path(path), keep_curve
        self.lock = threading.RLock()
        self._begin_file()
        self._source = Source(self.path, part=FIRST)

    def _begin_file(self) -> None:
        self._decoder = Decoder()
        self._ended, self._is_in_line = 0, False  # lines with an end, and whether there is one without
        self._carry = b""  # the beginning of a line whose end was not there yet
        self._is_endless = False  # that line is longer than LIMIT, its further bytes are dropped
        self._ahead: FailureFinder | None = None  # with what the unfinished last line says already
        self._rest_finishes = False

    def update(self, seconds: float = math.inf) -> None:
        """Reads what is new. A file that was shortened or replaced is read from its beginning.

        `seconds`: no longer than about that; a training can write faster than anybody reads."""
        until = time.monotonic() + seconds
        with self.lock:
            while True:
                data, is_new = self._source.read()
                if is_new:
                    version = self.version
                    super().__init__()
                    self.version = version + 1
                    self._begin_file()
                if not data:
                    return
                self._feed(self._decoder.feed(data))
                if time.monotonic() > until:
                    return

    @property
    def failure(self) -> Failure | None:
        return self._judge(self._ahead or self._finder)

    @property
    def finished(self) -> bool:
        return (self._said_finished or self._rest_finishes) and self.failure is None

    @property
    def last_line_age_seconds(self) -> float | None:
        """Since the file was last written; None where there is no file."""
        modified = self._source.modified
        return None if modified is None else max(0.0, time.time() - modified)

    @property
    def lines(self) -> int:
        """All lines so far, in all parts; the last may have no end yet."""
        return self._ended + self._is_in_line

    @property
    def size(self) -> int:
        """Bytes so far, in all parts, unpacked."""
        return self._source.size

    def _feed(self, new: bytes) -> None:
        """Takes bytes; what it makes of all bytes does not depend on how they are cut."""
        if new:
            self._ended, self._is_in_line = self._ended + new.count(b"\n"), not new.endswith(b"\n")
        data = self._carry + new.replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        start = 0
        if self._is_endless and end:
            self.hear_line(self._carry)
            start, self._is_endless = data.index(b"\n") + 1, False
        self._hear_lines(data, start, end)
        rest = data[end:] if not self._is_endless else self._carry
        while bar := BAR.match(rest):  # a bar is whole when its bracket is there: kohya's end in nothing
            self.hear_bar(read_bar(bar))
            rest = rest[bar.end() :]
        self._is_endless = self._is_endless or len(rest) > LIMIT
        self._carry = rest[:LIMIT]
        if not self.keep_curve:
            self.curve.keep_last(FARTHEST)
            self.marks.keep_last(FARTHEST)
        self._look_ahead()

    def _hear_lines(self, data: bytes, start: int, end: int) -> None:
        shape = None
        while start < end:
            bar = BAR.match(data, start)
            if bar is None:
                stop = data.index(b"\n", start)
                if stop > start:
                    self.hear_line(data[start : min(stop, start + LIMIT)])
                start = stop + 1
                continue
            start, run = bar.end(), None
            if end - start > FEWEST * (bar.end() - bar.start()) and data[start] == ord("\n"):
                shape = shape or data.translate(SAME)
                run = read_run(data, shape, bar)
            self.hear_bar(run.last if run else read_bar(bar), run)
            start = bar.start() + run.size if run else start

    def _look_ahead(self) -> None:
        """What the unfinished line says, if it can no longer turn into something else: a last line may lack its end."""
        self._ahead, self._rest_finishes = None, False
        if self._carry.strip():
            line = split_line(clean(self._carry.decode("utf-8", "replace")))
            event = read_text(line.text)
            self._ahead = copy.copy(self._finder)
            self._ahead.feed(line)
            self._ahead.hear(event)
            self._rest_finishes = isinstance(event, Finished) and self._proves_end(event)


MOST_HISTORIES = 64
_histories: OrderedDict[Path, History] = OrderedDict()
_histories_lock = threading.Lock()


def get_history(path: Path) -> History:
    """The history of a log, one for the whole process; the least used are forgotten, and those of logs that are gone: nobody is
    to see a curve that another process does not know of."""
    path = Path(path).absolute()
    with _histories_lock:
        history = _histories.pop(path, None)
        if history is None or (history.size and is_gone(path)):
            history = History(path)
        _histories[path] = history
        while len(_histories) > MOST_HISTORIES:
            _histories.popitem(last=False)
    return history
