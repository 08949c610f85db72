"""The table of log formats. A trainer's dialect is one row: the name of its bar, its words for the losses, its lines.

Lines of all dialects are understood in any log, because logs of several tools are often glued together. Rules look at
the beginning of a line only, so that a caption or a file name inside it can never be taken for news.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from fluxgym.log.events import (
    Attempt,
    Checkpoint,
    Epoch,
    Event,
    Finished,
    Phase,
    Plan,
    Resume,
    Sample,
    Step,
    Validation,
)


@dataclass(frozen=True)
class Rule:
    """Lines that begin with `start` and fit `rest`, and what they say. Where no start is known, they have an `end`."""

    start: str
    rest: str
    make: Callable[[re.Match[str]], Event]
    end: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.start) + self.rest)


@dataclass(frozen=True)
class Dialect:
    """One trainer. `loss`, `average`, `lr` are its words after the bar."""

    name: str
    bar: str
    loss: str
    average: str
    lr: str
    rules: tuple[Rule, ...]


def count(text: str) -> int:
    return int(text.replace(",", ""))


def phase(name: str, is_start: bool = False) -> Callable[[re.Match[str]], Event]:
    return lambda line: Phase(name, line.string[:200], is_start)


OURS = Dialect(
    name="fluxgym",
    bar="steps",
    loss="loss",
    average="avr_loss",
    lr="lr",
    rules=(
        Rule(
            "=== Attempt ",
            r"(\d{1,9}), [\d: -]{1,40}(, resumed from .+)? ===$",
            lambda line: Attempt(int(line[1]), line[2] is not None),
        ),
        Rule("Downloading ", r".*: .*", phase("downloading")),
        Rule("Loading ", r".*: .*", phase("loading")),
        Rule("Compiling ", r"\S", phase("compiling")),
        Rule("Caching ", r".*: \d+/\d+$", phase("caching")),
        Rule(
            "Training: ",
            r"([\d,]{1,15}) steps, ([\d,]{1,15}) epochs\b",
            lambda line: Plan(count(line[1]), count(line[2])),
        ),
        Rule("Resuming: ", r"step ([\d,]{1,15}) of ([\d,]{1,15})\b", lambda line: Resume(count(line[1]), count(line[2]))),
        Rule("Sampling: ", r".*", phase("sampling")),
        Rule("Saving sample: ", r"(.+)$", lambda line: Sample(line[1])),
        Rule("Epoch ", r"(\d{1,9})/(\d{1,9})$", lambda line: Epoch(int(line[1]), int(line[2]))),
        Rule("Validating: ", r"\d+/\d+$", phase("validating")),
        Rule(
            "Validation: ",
            r"loss ([\d.e+-]{1,30}|nan|inf) at step ([\d,]{1,15})$",
            lambda line: Validation(count(line[2]), float(line[1])),
        ),
        Rule("Saving LoRA: ", r"(.+)$", lambda line: Checkpoint(line[1])),
        Rule("Saving checkpoint: ", r"(.+)$", lambda line: Checkpoint(line[1])),
        Rule("Training finished", r"$", lambda line: Finished()),
    ),
)

# The headers are bilingual ("total optimization steps / <the same in Japanese>: 1600"); the English half is enough.
KOHYA = Dialect(
    name="kohya sd-scripts",
    bar="steps",
    loss="loss",
    average="avr_loss",
    lr="lr",
    rules=(
        Rule("num epochs / ", r".*: ?(\d{1,9})$", lambda line: Plan(total_epochs=int(line[1]))),
        Rule("total optimization steps / ", r".*: ?(\d{1,15})$", lambda line: Plan(total_steps=int(line[1]))),
        Rule("override steps. ", r".*: ?(\d{1,15})$", lambda line: Plan(total_steps=int(line[1]))),
        Rule("epoch ", r"(\d{1,9})/(\d{1,9})$", lambda line: Epoch(int(line[1]), int(line[2]))),
        Rule(
            "epoch is incremented. ",
            r"current_epoch: \d{1,9}, epoch: (\d{1,9})$",
            lambda line: Epoch(int(line[1]), is_hint=True),
        ),
        Rule("saving checkpoint: ", r"(.+)$", lambda line: Checkpoint(line[1])),
        Rule("saving state at ", r"(?:epoch|step) \d+$", phase("saving")),
        Rule("saving last state.", r"$", phase("saving")),
        Rule("generating sample images at step", r"\b", phase("sampling")),
        Rule("validation steps: ", r" *\d{1,3}%\|", phase("validating")),
        Rule("epoch validation steps: ", r" *\d{1,3}%\|", phase("validating")),
        Rule("caching latents", r"", phase("caching")),
        Rule("caching Text Encoder outputs", r"", phase("caching")),
        Rule("cache Text Encoder outputs for ", r"(?:sample )?prompt: ", phase("caching")),
        Rule("preparing accelerator", r"$", phase("loading")),
        Rule("Cast FLUX model to fp8.", r" ", phase("loading")),
        Rule("Building ", r"(?:Flux model|CLIP|T5XXL|T5|AutoEncoder)\b", phase("loading")),
        Rule("Loading state dict from ", r".+", phase("loading")),
        Rule("Loading dataset config from ", r".+", phase("loading", is_start=True)),
        Rule("loading image sizes", r"", phase("loading")),
        Rule("running training", r"\b", phase("training", is_start=True)),
        Rule("model saved.", r"$", lambda line: Finished()),
    ),
)

DIALECTS = (OURS, KOHYA)

# What libraries say of themselves in the log of whoever uses them: Hugging Face's Hub, of several files and of one, and
# PyTorch's compiler when it looks for the fastest kernels. The bar of one file begins with the file's name.
LIBRARIES = (
    Rule("Fetching ", r"\d+ files: +\d{1,3}%\|", phase("downloading")),
    Rule("Reconstructing", r"(?: \(incomplete total\.\.\.\))?: ", phase("downloading")),
    Rule(
        "", r"(?:\(…\))?[\w./+-]{1,100}: +\d{1,3}%\|[^|]{0,500}\| *[\d.]+[kMGT]?/[\d.]+[kMGT]? \[", phase("downloading"), "B/s]"
    ),
    Rule("", r"[\w./+-]{1,100}(?:\(…\))?: (?:downloading bytes|reconstructing file): ", phase("downloading"), "B/s"),
    Rule("AUTOTUNE ", r"\w+\(", phase("compiling")),
)
BARS = {dialect.bar.encode(): dialect for dialect in reversed(DIALECTS)}
KEYS = {bar: (row.loss.encode(), row.average.encode(), row.lr.encode()) for bar, row in BARS.items()}
RULES = [rule for dialect in DIALECTS for rule in dialect.rules] + list(LIBRARIES)
READERS = [(rule.start, rule.end, rule.pattern, rule.make) for rule in RULES]
STARTS = tuple(rule.start for rule in RULES if rule.start)
ENDS = tuple(rule.end for rule in RULES if rule.end)

# A tqdm bar with what may stand before it. Each part is bounded and none goes past the end of the line or the closing
# bracket, so that a bar is whole as soon as its bracket is there, however the file is cut into reads. A digit may be any
# digit: log/runs.py relies on it.
BAR = re.compile(
    rb"(?:\[?(?P<hour>\d{4}-\d\d-\d\d \d\d):(?P<minute>\d\d):(?P<second>\d\d)\]? (?:\[[A-Z]{1,9}\] )?)?"
    rb"(?P<name>" + b"|".join(re.escape(name) for name in BARS) + rb"): {1,4}\d{1,3}%\|(?:[^|\r\n\x1b]{0,500}\|)?"
    rb" ?(?P<step>\d{1,15})/(?P<total>\d{1,15}) "
    rb"\[(?:(?P<bar_hour>\d{1,7}):)?(?P<bar_minute>\d\d):(?P<bar_second>\d\d)<[^,\]\r\n\x1b]{1,40},"
    rb"[^,\]\r\n\x1b]{1,40}(?:, (?P<postfix>[^\]\r\n\x1b]{0,1000}))?\]"
)


FIELD = re.compile(rb"(?:^|, )([^=,]+)=([^,]*)")


def read_bar(match: re.Match[bytes]) -> Step:
    """What a bar found by BAR says."""
    name, step, total, hour, postfix = match.group("name", "step", "total", "hour", "postfix")
    elapsed = read_clock(None, *match.group("bar_hour", "bar_minute", "bar_second"))
    loss, average, lr = KEYS[name]
    said = dict(FIELD.findall(postfix or b""))
    return Step(
        int(step),
        int(total),
        number(said.get(loss)),
        number(said.get(average)),
        number(said.get(lr)),
        read_clock(hour, None, *match.group("minute", "second")) if hour else elapsed,
        elapsed,
        hour is not None,
    )


def read_clock(stamp: bytes | None, bar_hour: bytes | None, minute: bytes, second: bytes) -> float | None:
    """Seconds; None where they are no time."""
    base = hour_base(stamp, bar_hour) if minute < b"60" and second < b"60" else None
    return None if base is None else base + 60 * int(minute) + int(second)


@lru_cache(maxsize=64)
def hour_base(stamp: bytes | None, bar_hour: bytes | None) -> float | None:
    """Seconds at the beginning of an hour: of a stamp '2026-11-24 10' (no time zone: differences count), else of the bar."""
    if stamp is None:
        return 3600.0 * int(bar_hour or 0)
    try:
        return (datetime.strptime(stamp.decode(), "%Y-%m-%d %H") - datetime(1970, 1, 1)).total_seconds()
    except ValueError:
        return None  # a date such as 2026-13-45


def number(text: bytes | None) -> float | None:
    """A number as logs write it, nan and inf included; None for anything else."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
LEVELS = r"DEBUG|INFO|WARNING|ERROR|CRITICAL"
PADDED = "DEBUG   |INFO    |WARNING |ERROR   |CRITICAL"
WRAPPER = re.compile(rf"\[{STAMP}\] \[({LEVELS})\] ?")  # FluxGym puts this before each line of its trainer
COLUMNS = re.compile(rf"(?:{STAMP}| {{19}}) (?=(?:{PADDED}) )({LEVELS}) +(.*?)(?:\s+[\w.]+\.py:\d+)?\s*$")  # rich's
STAMPED = re.compile(rf"{STAMP} (?:({LEVELS}) )?(.*)$")
BARE = re.compile(r"(WARNING|ERROR|CRITICAL)(?::(?:[\w.]+:)?| ) *(\S.*)$")  # Python's logging without a format
FRAMES = (COLUMNS, STAMPED, BARE)
RANK = re.compile(r"\[rank\d+\]: ?")  # torchrun's mark
INDENT = " " * 20  # a line that only goes on a text wrapped by COLUMNS


@dataclass(frozen=True, slots=True)
class Line:
    """A line without what stands before its text."""

    text: str
    level: str | None = None
    is_wrapped: bool = False  # more of this text may stand on the next lines
    goes_on: bool = False  # this is such a next line


def split_line(text: str) -> Line:
    """A line of at most LIMIT characters, freed of time stamp, level, wrapper and rank."""
    level = None
    if wrapper := WRAPPER.match(text):
        level, text = wrapper[1], text[wrapper.end() :]
    for frame in FRAMES:
        if match := frame.match(text):
            return Line(match[2], match[1] or level, is_wrapped=frame is COLUMNS)
    if text.startswith(INDENT):
        return Line(text.strip(), level, goes_on=True)
    if rank := RANK.match(text):
        text = text[rank.end() :]
    return Line(text, level)


def read_text(text: str) -> Event | None:
    """What a line's text says, by the first rule that fits."""
    text = text.strip()
    if not text.startswith(STARTS) and not text.endswith(ENDS):
        return None
    for start, end, pattern, make in READERS:
        if text.startswith(start) and text.endswith(end) and (match := pattern.match(text)):
            return make(match)
    return None
