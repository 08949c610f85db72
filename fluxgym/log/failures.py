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
from fluxgym.log.signatures import ERROR_LINE, EXCEPTION, find_signature


@dataclass(frozen=True, slots=True)
class Failure:
    """`kind` is one of fluxgym.log.remedies, `message` the line that says so."""

    kind: str
    message: str
    subject: str = ""  # the file, image or model that is to blame, where a line names it


# What weighs more stays. Of equal ones the first stays (it is the cause, the others follow from it). BEHIND is for lines
# that follow a known failure and say what is behind it.
EXIT, ERROR_LINE, EXCEPTION, KNOWN, BEHIND = range(1, 6)

ERROR = r"(?:[\w.]+\.)?"  # the package before the name of an exception
TORCH = ERROR + r"(?:RuntimeError|AcceleratorError): "
WHAT = r" *what\(\): +"  # of an exception in C++
THROWN = rf"(?:{TORCH}|{WHAT})"
HUB = r"https?://[^/ ]+/(?:api/models/)?"
SHELL = r"(?:\S+: line \d+: +\d+ )?"  # bash of a job that a signal ended
LAUNCHER = r"(?:subprocess\.)?CalledProcessError: .* "
ELASTIC = r"(?:E\d{4} .*\] |[\w.]+:)?failed \(exitcode: "
WORKER = r"(?:RuntimeError: )?DataLoader worker \(pid\(?s?\)?:? ?[\d, ]+\) is killed by signal: "
ACCESS_VIOLATION = "3221225477"  # Windows, mostly where its paging file is too small
BAD_IMAGE = (
    "(?:image file is truncated|(?:unrecognized|broken) data stream(?: contents)? when reading image file"
    "|Truncated File Read|cannot identify image file)"
)
SIGNATURES = [  # the first group of a pattern is the subject
    (kind, weight, re.compile(pattern))
    for kind, weight, pattern in (
        ("stopped", KNOWN, r"Training stopped (?:at step \d|before its first step)"),
        ("stopped", KNOWN, r"KeyboardInterrupt$"),
        ("stopped", KNOWN, LAUNCHER + r"died with <Signals\.SIGINT: 2>"),
        # ---- memory and signals
        ("oom", KNOWN, ERROR + r"OutOfMemoryError(?:: |$)"),
        ("oom", KNOWN, THROWN + r"(?:CUDA|HIP) (?:out of memory|error: out of memory)"),
        ("oom", KNOWN, THROWN + r"(?:CUDA error: |cuDNN error: )?CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED"),
        ("oom", BEHIND, r"Cuda failure (?:\d+ )?'out of memory'"),
        ("shared_memory", KNOWN, r"(?:ERROR: )?Unexpected bus error encountered in worker\. .*shared memory"),
        ("shared_memory", KNOWN, WORKER + r"Bus error\."),
        ("shared_memory", KNOWN, TORCH + r"unable to \w+ .*(?:shared memory|</torch_)"),
        ("shared_memory", BEHIND, r"Error while creating shared memory segment /dev/shm/"),
        ("host_oom", KNOWN, ERROR + r"(?:_Array)?MemoryError(?:: |$)"),
        ("host_oom", KNOWN, TORCH + r".*DefaultCPUAllocator: (?:can't allocate|not enough) memory"),
        ("host_oom", KNOWN, r"(?:OSError|RuntimeError): .*\bCannot allocate memory\b"),
        ("host_oom", KNOWN, r"(?:OSError|RuntimeError|ImportError): .*(?:\[WinError 1455\]|\(os error 1455\))"),
        ("host_oom", KNOWN, WORKER + r"Killed\b"),
        ("host_oom", KNOWN, r"slurmstepd: error: Detected \d+ oom[-_]kill event"),
        ("host_oom", KNOWN, LAUNCHER + rf"returned non-zero exit status {ACCESS_VIOLATION}\.?$"),
        ("host_oom", KNOWN, rf"Command exited with code {ACCESS_VIOLATION}$"),
        ("killed", KNOWN, LAUNCHER + r"died with <Signals\.SIG(?:KILL|TERM|HUP): \d+>"),
        ("killed", KNOWN, LAUNCHER + r"returned non-zero exit status (?:137|143)\.?$"),
        ("killed", KNOWN, ELASTIC + r"-(?:9|15|1)\)"),
        ("killed", KNOWN, r" *(?:exitcode|traceback) *: (?:-(?:9|15|1) \(pid: |Signal (?:9|15|1) \()"),
        ("killed", KNOWN, SHELL + r"(?:Killed|Terminated)(?:$| {2,}\S)"),
        ("killed", KNOWN, r"Command exited with code (?:-9|-15|137|143)$"),
        ("nan", KNOWN, r"the loss became (?:nan|-?inf)\b"),
        ("nan", KNOWN, r"Training loss became NaN"),
        # ---- disk and files
        ("no_space", KNOWN, r"(?:OSError|IOError): \[Errno (?:28|122)\] "),
        ("no_space", KNOWN, ERROR + r"SafetensorError: .*(?:\bcode: 28\b|\(os error 28\)|\bStorageFull\b)"),
        ("no_space", KNOWN, TORCH + r".*\bPytorchStreamWriter failed writing file"),
        ("bad_image", KNOWN, r"(?:PIL\.)?UnidentifiedImageError: cannot identify image file(?: '([^<].*)')?"),
        ("bad_image", KNOWN, rf"(?:OSError|IOError): {BAD_IMAGE}"),
        ("bad_image", KNOWN, r"SyntaxError: broken PNG file"),
        ("bad_image", KNOWN, r"PIL\.Image\.DecompressionBombError: "),
        ("missing_file", KNOWN, r"FileNotFoundError: (?:.*: ['\"](.+)['\"]$)?"),
        ("missing_file", KNOWN, r"(?:OSError|EnvironmentError): .*(?:does not appear to have a file|no file) named ([\w.-]+\w)"),
        ("missing_file", KNOWN, r"\S+: can't open file '(.*)': \[Errno 2\] No such file or directory$"),
        ("damaged_file", KNOWN, ERROR + r"(?:SafetensorError|Exception): Error while deserializing header: "),
        ("damaged_file", KNOWN, r"Error while deserializing header: "),
        ("damaged_file", KNOWN, r"(?:HeaderTooLarge|HeaderTooSmall|InvalidHeaderLength|MetadataIncompleteBuffer)$"),
        ("damaged_file", KNOWN, r"OSError: Unable to load weights from (?:pytorch )?checkpoint file for '(.+?)'"),
        ("damaged_file", KNOWN, TORCH + r".*\bPytorchStreamReader failed "),
        ("damaged_file", KNOWN, r"(?:_?pickle\.)?UnpicklingError: (?:invalid load key|pickle data was truncated)"),
        ("damaged_file", KNOWN, r"(?:OSError|OsError): Consistency check failed: file should be of size .*\(([^()]+)\)"),
        # ---- downloads
        ("gated", KNOWN, ERROR + r"GatedRepoError: "),
        ("gated", KNOWN, r"(?:OSError: )?You are trying to access a gated repo\."),
        ("gated", KNOWN, rf"Cannot access gated repo for url {HUB}([\w.-]+/[\w-][\w.-]*\w)"),
        ("gated", KNOWN, ERROR + r"(?:HfHub)?HTTPError: .*\b403 Forbidden: .*\bgated repositor"),
        ("wrong_setting", KNOWN, ERROR + r"(?:RepositoryNotFoundError|HFValidationError): "),
        ("wrong_setting", KNOWN, rf"Repository Not Found for url: {HUB}([\w.-]+/[\w-][\w.-]*\w)"),
        ("wrong_setting", KNOWN, r"OSError: (.+) is not a local folder and is not a valid model identifier"),
        ("download", KNOWN, ERROR + r"(?:LocalEntryNotFoundError|OfflineModeIsEnabled): "),
        ("download", KNOWN, r"OSError: We couldn't connect to 'https?://"),
        ("download", KNOWN, r"(?:requests|urllib3)\.exceptions\.(?!HTTPError)\w+: .*\bhost='(?:[\w-]+\.)*(?:huggingface\.co|hf\.co)'"),
        ("download", KNOWN, ERROR + r"(?:HfHub)?HTTPError: (?:429|5\d\d) .*\b(?:huggingface\.co|hf\.co)/"),
        # ---- GPUs
        ("driver", KNOWN, THROWN + r"(?:CUDA error: )?(?:The NVIDIA driver on your system is too old|CUDA driver version is insufficient)"),
        ("driver", KNOWN, THROWN + r"Unexpected error from cuda.*\bError 803\b"),
        ("driver", KNOWN, THROWN + r"CUDA error: the provided PTX was compiled with an unsupported toolchain"),
        ("no_kernel", KNOWN, rf"(?:{THROWN})?(?:CUDA|HIP) error: no kernel image is available"),
        ("no_kernel", KNOWN, r"ptxas fatal +: Value 'sm_\w+' is not defined for option 'gpu-name'"),
        ("no_gpu", KNOWN, TORCH + r"(?:Found no NVIDIA driver|No (?:CUDA|HIP) GPUs are available)"),
        ("no_gpu", KNOWN, r"AssertionError: Torch not compiled with CUDA enabled"),
        ("nccl", KNOWN, r"\[.*\bProcessGroupNCCL\.cpp:\d+\] .*Watchdog caught collective operation timeout: WorkNCCL\("),
        ("nccl", KNOWN, r"(?:\[E.*ProcessGroupNCCL\.cpp:\d+\] )?Some NCCL operations have failed or timed out"),
        ("nccl", KNOWN, ERROR + r"(?:DistBackendError|RuntimeError): .*\bNCCL (?:error|communicator|operations)"),
        ("cuda", KNOWN, TORCH + r"(?:CUDA error: |CUDA driver error|Unexpected error from cuda|cuDNN error|cuBLAS)"),
        ("cuda", KNOWN, rf"(?:{WHAT})?CUDA error: "),
        # ---- settings
        ("wrong_setting", KNOWN, r"[\w.-]+\.py: error: (?:unrecognized arguments|ambiguous option|argument |the following arguments|one of)"),
        ("wrong_setting", KNOWN, r"accelerate .*: error: (?:unrecognized arguments|ambiguous option|argument )"),
        ("wrong_setting", KNOWN, r"voluptuous\.error\.\w+: "),
        ("wrong_setting", KNOWN, r"(?:toml\.decoder\.TomlDecodeError|tomllib\.TOMLDecodeError): "),
        # ---- the rest
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
    (kind, re.compile(pattern, flags))
    for kind, pattern, flags in (
        ("oom", r"(?:CUDA )?out of memory\b", re.IGNORECASE),
        ("missing_file", r".*\[Errno 2\] No such file or directory(?:: '(.+?)')?", 0),
        ("no_space", r"(.+?) could not be written: (?:No space left on device|Disk quota exceeded)", 0),
        ("bad_image", r"the data set .+? cannot be used: (?:.*?; )?([^;:]+): got a file of \d+ bytes that is no whole image", 0),
        ("bad_image", r"Error loading file: (.+)", 0),  # kohya's; the next lines say why
        ("gated", r"the base model (.+?) cannot be used: its licence is not accepted", 0),
        ("download", r"the base model (.+?) cannot be used: got neither .*\((?:An error happened while|Cannot reach|Cannot find)", 0),
        ("damaged_file", r"the base model .+? cannot be used: (?:.*?; )?([^;: ]+): (?:got .*download it again|is a pointer of Git LFS)", 0),
        ("damaged_file", r"the base model .+? cannot be used: (?:.*?; )?([^;: ]+): cannot be loaded from .*; download it again", 0),
        ("missing_file", r"the base model .+? cannot be used: (?:.*?; )?([^;: ]+) is missing: ", 0),
        ("wrong_setting", r"(?:.+ )?(?:cannot be used|cannot be resumed from): .*(?:\bexpected\b|unknown setting|missing$)", 0),
        ("wrong_setting", r"(?:[a-z_]+\.)?[a-z_]+: got .+, expected ", 0),
        ("wrong_setting", r"got \d+ images with \d+ held out for validation, expected ", 0),
        ("wrong_setting", r"No data found\. Please verify arguments", 0),  # kohya's
    )
]
EXCEPTION_LINE = re.compile(r"[A-Za-z_][\w.]{0,200}(?:: .*)?$")
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
        is_error = line.level in ERROR_LEVELS and not line.goes_on
        if found := find_signature(text, is_error):
            signature, subject = found
            self._found(Failure(signature.kind, text, subject), signature.weight)
        elif self.in_traceback and EXCEPTION_LINE.match(text):
            self._found(Failure("other", text), EXCEPTION)
        elif is_error:
            self._found(Failure("other", text), ERROR_LINE)

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
