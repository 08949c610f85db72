"""Why a training ended early, read from its log. A wrong cause is worse than none.

Signatures are a table and look at whole lines from their beginning, so that a caption or a file name with such words in it
is no failure. A failure is forgotten as soon as the training makes another step, or says that it is done: then it was not
the end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fluxgym.log.dialects import BAR, Line, read_text, split_line
from fluxgym.log.events import Attempt, Event, Finished, Phase
from fluxgym.log.lines import LIMIT, clean


@dataclass(frozen=True, slots=True)
class Failure:
    """`kind` is one of: oom nan killed missing_file cuda nccl stopped other. `message` is the line that says so."""

    kind: str
    message: str


# What weighs more stays. Of equal ones the first stays (it is the cause, the others follow from it).
EXIT, ERROR_LINE, EXCEPTION, KNOWN = range(1, 5)

ERROR = r"(?:[\w.]+\.)?"  # the package before the name of an exception
SHELL = r"(?:\S+: line \d+: +\d+ )?"  # bash of a job that a signal ended
LAUNCHER = r"(?:subprocess\.)?CalledProcessError: .* "
ELASTIC = r"(?:E\d{4} .*\] |[\w.]+:)?failed \(exitcode: "
SIGNATURES = [
    (kind, weight, re.compile(pattern))
    for kind, weight, pattern in (
        ("stopped", KNOWN, r"Training stopped (?:at step \d|before its first step)"),
        ("stopped", KNOWN, r"KeyboardInterrupt$"),
        ("stopped", KNOWN, LAUNCHER + r"died with <Signals\.SIGINT: 2>"),
        ("oom", KNOWN, ERROR + r"(?:OutOfMemoryError|MemoryError)(?:: |$)"),
        ("oom", KNOWN, ERROR + r"(?:RuntimeError|AcceleratorError): CUDA (?:out of memory|error: out of memory)"),
        ("oom", KNOWN, r"RuntimeError: .*DefaultCPUAllocator: (?:can't allocate|not enough) memory"),
        ("oom", KNOWN, r" *what\(\): +CUDA (?:out of memory|error: out of memory)"),
        ("nan", KNOWN, r"the loss became (?:nan|-?inf)\b"),
        ("nan", KNOWN, r"Training loss became NaN"),
        ("killed", KNOWN, LAUNCHER + r"died with <Signals\.SIG(?:KILL|TERM|HUP): \d+>"),
        ("killed", KNOWN, LAUNCHER + r"returned non-zero exit status (?:137|143)\.?$"),
        ("killed", KNOWN, ELASTIC + r"-(?:9|15|1)\)"),
        ("killed", KNOWN, r" *(?:exitcode|traceback) *: (?:-(?:9|15|1) \(pid: |Signal (?:9|15|1) \()"),
        ("killed", KNOWN, SHELL + r"(?:Killed|Terminated)(?:$| {2,}\S)"),
        ("killed", KNOWN, r"Command exited with code (?:-9|-15|137|143)$"),
        ("missing_file", KNOWN, r"FileNotFoundError: "),
        ("missing_file", KNOWN, ERROR + r"SafetensorError: "),
        ("missing_file", KNOWN, r"(?:Exception: )?Error while deserializing header: "),
        ("missing_file", KNOWN, r"HeaderTooLarge$"),
        ("missing_file", KNOWN, r"(?:OSError|EnvironmentError): .*(?:does not appear to have a file named|no file named) "),
        ("missing_file", KNOWN, r"\S+: can't open file '.*': \[Errno 2\] No such file or directory$"),
        ("nccl", KNOWN, r"\[.*\bProcessGroupNCCL\.cpp:\d+\] .*Watchdog caught collective operation timeout: WorkNCCL\("),
        ("nccl", KNOWN, r"(?:\[E.*ProcessGroupNCCL\.cpp:\d+\] )?Some NCCL operations have failed or timed out"),
        ("nccl", KNOWN, ERROR + r"(?:DistBackendError|RuntimeError): .*\bNCCL (?:error|communicator|operations)"),
        ("cuda", KNOWN, ERROR + r"(?:RuntimeError|AcceleratorError): (?:CUDA error: |CUDA driver error|cuDNN error|cuBLAS)"),
        (
            "cuda",
            KNOWN,
            ERROR + r"RuntimeError: (?:Found no NVIDIA driver|No CUDA GPUs are available|Unexpected error from cuda)",
        ),
        ("cuda", KNOWN, r"AssertionError: Torch not compiled with CUDA enabled"),
        ("cuda", KNOWN, r"(?: *what\(\): +)?CUDA error: "),
        ("other", EXCEPTION, r"Fatal Python error: "),
        ("other", EXCEPTION, r"terminate called (?:after throwing an instance of |without an active exception)"),
        ("other", EXCEPTION, SHELL + r"(?:Segmentation fault|Aborted|Bus error)(?:$| +\(core dumped\)| {2,}\S)"),
        ("other", EXIT, LAUNCHER + r"(?:returned non-zero exit status|died with) "),
        ("other", EXIT, ERROR + r"ChildFailedError: *$"),
        ("other", EXIT, ELASTIC + r"-?\d+\)"),
        ("other", EXIT, r"Command exited with code (?!0$)-?\d+$"),
    )
]
ERROR_SIGNATURES = [  # only in lines of level ERROR, whose text is the program's own
    ("oom", re.compile(r"(?:CUDA )?out of memory\b", re.IGNORECASE)),
    ("missing_file", re.compile(r".*\[Errno 2\] No such file or directory")),
]
EXCEPTION_LINE = re.compile(r"[A-Za-z_][\w.]{0,200}(?:: .*)?$")
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
ERROR_LEVELS = ("ERROR", "CRITICAL")


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
        if self.failure and step > self.failed_at:
            self.forget()
        self.step = step

    def feed(self, line: Line) -> None:
        text = line.text
        if text.startswith("Exception ignored in"):
            self.is_ignored = True
        elif text.startswith("Traceback (most recent call last):"):
            self.in_traceback = not self.is_ignored
        elif text.startswith(CHAINED):
            self.is_chained = True
        elif self.is_ignored and EXCEPTION_LINE.match(text):
            self.is_ignored = False
        elif not self.is_ignored:
            self._look(line)

    def _look(self, line: Line) -> None:
        text = line.text.rstrip()
        for kind, weight, pattern in SIGNATURES:
            if pattern.match(text):
                return self._found(kind, text, weight)
        if self.in_traceback and EXCEPTION_LINE.match(text):
            return self._found("other", text, EXCEPTION)
        if line.level in ERROR_LEVELS and not line.goes_on:
            for kind, pattern in ERROR_SIGNATURES:
                if pattern.match(text):
                    return self._found(kind, text, KNOWN)
            return self._found("other", text, ERROR_LINE)
        return None

    def _found(self, kind: str, text: str, weight: int) -> None:
        follows = self.is_chained and weight == self.weight == EXCEPTION
        latest = weight == self.weight == ERROR_LINE
        if weight > self.weight or follows or latest:
            self.failure, self.weight, self.failed_at = Failure(kind, text.strip()[:500]), weight, self.step
        if weight >= EXCEPTION or kind == "other":
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
