"""Why a training ended early, read from its log. A wrong cause is worse than none.

Which line names which cause is a table, fluxgym.log.signatures; what to do about each is fluxgym.log.remedies. A failure is
forgotten as soon as the training makes another step, or says that it is done: then it was not the end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fluxgym.log.dialects import BAR, Line, read_text, split_line
from fluxgym.log.events import Attempt, Event, Finished, Phase
from fluxgym.log.lines import LIMIT, clean
from fluxgym.log.signatures import ERROR_LINE, EXCEPTION, OUTLIVED, find_signature


@dataclass(frozen=True, slots=True)
class Failure:
    """`kind` is one of fluxgym.log.remedies, `message` the line that says so."""

    kind: str
    message: str
    subject: str = ""  # the file, image or model that is to blame, where a line names it


EXCEPTION_LINE = re.compile(r"[A-Za-z_][\w.]{0,200}(?:: .*)?$")
TRACEBACK = "Traceback (most recent call last):"
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
ERROR_LEVELS = ("ERROR", "CRITICAL")
QUOTED = 500  # characters of a line


class FailureFinder:
    """Fed line by line; `failure` is what the lines so far say about the end."""

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.weight = 0
        self.step = 0  # the last one seen
        self.failed_at = 0  # the last step before the failure
        self.in_traceback = False
        self.is_ignored = False  # the traceback is of a destructor: it harms nothing
        self.is_chained = False  # the next exception is the one that was raised while the last was handled

    def forget(self, step: int = 0) -> None:
        """What was wrong is over, at `step` of the attempt."""
        self.__init__()  # type: ignore[misc]
        self.step = step

    def hear(self, event: Event | None) -> None:
        """Takes what the line that was just fed says. Done is not well where the loss was no number."""
        if isinstance(event, Attempt) or (isinstance(event, Phase) and event.is_start):
            self.forget()
        elif isinstance(event, Finished) and self.failure and self.failure.kind != "nan":
            self.forget(self.step)

    def progress(self, step: int) -> None:
        """A step was made. A bar that is only drawn again, as tqdm does when it is torn down, is no progress."""
        if self.failure and step != self.failed_at:
            self.forget()
        self.step = step

    def feed(self, line: Line) -> None:
        text = line.text
        if text.startswith("Exception ignored in"):
            self.is_ignored = True
        elif text.startswith(TRACEBACK):
            self.in_traceback = not self.is_ignored
        elif OUTLIVED.match(text):
            self.forget(self.step)
        elif text.startswith(CHAINED):
            self.is_chained = True
        elif self.is_ignored and EXCEPTION_LINE.match(text):
            self.is_ignored = False
        elif not self.is_ignored:
            self._look(line)

    def _look(self, line: Line) -> None:
        text = line.text.rstrip()
        is_error = line.level in ERROR_LEVELS and not line.goes_on
        if found := find_signature(text, is_error):
            signature, subject = found
            self._found(Failure(signature.kind, text, subject), signature.weight)
        elif self.in_traceback and EXCEPTION_LINE.match(text):
            self._found(Failure("other", text), EXCEPTION)
        elif is_error:
            self._found(Failure("other", text), ERROR_LINE)
        self.in_traceback = self.in_traceback or text.endswith(TRACEBACK)  # behind a message, where a program logs both

    def _found(self, failure: Failure, weight: int) -> None:
        """What weighs more stays. Of equal ones the first stays (it is the cause, the others follow from it)."""
        follows = self.is_chained and weight == self.weight == EXCEPTION
        latest = weight == self.weight == ERROR_LINE
        if weight > self.weight or follows or latest:
            self.failure = replace(failure, message=failure.message.strip()[:QUOTED])
            self.weight, self.failed_at = weight, self.step
        if weight >= EXCEPTION or failure.kind == "other":
            self.in_traceback = self.is_chained = False


def find_failure(lines: Iterable[str]) -> Failure | None:
    """The failure that a log ends with, where it ends with one. `lines` may be the last lines of a log."""
    finder = FailureFinder()
    for raw in lines:
        text = clean(raw[:LIMIT])
        while bar := BAR.match(text.encode("utf-8", "replace")):
            finder.progress(int(bar["step"]))
            text = text.encode("utf-8", "replace")[bar.end() :].decode("utf-8", "replace")
        line = split_line(text)
        finder.feed(line)
        finder.hear(read_text(line.text))
    return finder.failure
