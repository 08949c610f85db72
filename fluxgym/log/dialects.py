"""The table of log formats. A trainer's dialect is one row: the name of its bar, its words for the losses, its lines.

Lines of all dialects are understood in any log, because logs of several tools are often glued together. Rules look at
the beginning of a line only, so that a caption or a file name inside it can never be taken for news.
"""

import math
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
from fluxgym.log.frames import Line, split_line

__all__ = ["BAR", "DIALECTS", "Dialect", "Line", "Rule", "find_words", "read_bar", "read_text", "split_line"]
ANY = r"[^|\r\n\x1b]{1,200}"  # a bar that has the name of the job; it is known by the dialect's word for the learning rate


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
    """One trainer. `bar` is the pattern of its bar's name, and may name `epoch` and `epochs`; the others are words after it."""

    name: str
    bar: str
    loss: str
    average: str  # empty, like `lr`: it has none
    lr: str
    rules: tuple[Rule, ...]
    is_in_epoch: bool = False  # its bar counts the steps of one epoch
    is_ahead: bool = False  # its bar is drawn again with the loss of the next step, before that counts


def count(text: str) -> int:
    return int(text.replace(",", ""))


BAR_BEGINS = r" *\d{1,3}%\|"


def checkpoint(line: re.Match[str]) -> Event:
    return Checkpoint(line[1])


def epoch_over(done: int, total: int, is_start: bool = False) -> Event:
    """The epoch that goes on when `done` of them are over."""
    return Epoch(min(done + 1, total), total, is_counted_anew=True, is_start=is_start)


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
            lambda line: Validation(count(line[2]), math.nan if (loss := number(line[1])) is None else loss),
        ),
        Rule("Saving LoRA: ", r"(.+)$", checkpoint),
        Rule("Saving checkpoint: ", r"(.+)$", checkpoint),
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
        Rule("saving checkpoint: ", r"(.+)$", checkpoint),
        Rule("saving state at ", r"(?:epoch|step) \d+$", phase("saving")),
        Rule("saving last state.", r"$", phase("saving")),
        Rule("generating sample images at step", r"\b", phase("sampling")),
        Rule("validation steps: ", BAR_BEGINS, phase("validating")),
        Rule("epoch validation steps: ", BAR_BEGINS, phase("validating")),
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

DIFFUSERS = Dialect(
    name="diffusers",
    bar="Steps",
    loss="loss",
    average="",
    lr="lr",
    rules=(
        Rule("***** Running training *****", r"$", phase("training", is_start=True)),
        Rule("Num Epochs = ", r"(\d{1,9})$", lambda line: Plan(total_epochs=int(line[1]))),
        Rule("Total optimization steps = ", r"(\d{1,15})$", lambda line: Plan(total_steps=int(line[1]))),
        Rule("Resuming from checkpoint ", r"(?:.*[\\/])?checkpoint-(\d{1,15})$", lambda line: Resume(int(line[1]))),
        Rule("Caching latents: ", BAR_BEGINS, phase("caching")),
        Rule("Running validation...", r"", phase("sampling")),
        Rule("Saving current state to ", r".", phase("saving")),
        Rule("Loading states from ", r".", phase("loading")),
        Rule("Saved state to ", r"(.+)$", checkpoint),
        Rule("Model weights saved in ", r"(.*\bcheckpoint-\d+[\\/].*)$", checkpoint),
        Rule("Model weights saved in ", r"(.+)$", lambda line: Finished(line[1])),  # not one of a state: the last thing it does
    ),
)

SIMPLETUNER = Dialect(
    name="SimpleTuner",
    bar=r"Epoch (?P<epoch>\d{1,9})/(?P<epochs>\d{1,9})(?:\.\d{1,9})?,? Steps",
    loss="step_loss",
    average="",
    lr="lr",
    rules=(
        Rule("-  Num Epochs = ", r"(\d{1,9})$", lambda line: Plan(total_epochs=int(line[1]))),
        Rule("-  Total optimization steps = ", r"(\d{1,15})$", lambda line: Plan(total_steps=int(line[1]))),
        Rule("Resuming from global_step ", r"(\d{1,15})\.?$", lambda line: Resume(int(line[1]))),
        Rule("Load VAE: ", r".", phase("loading")),
        Rule("Loading our accelerator...", r"$", phase("loading")),
        Rule("Generating aspect bucket cache: ", BAR_BEGINS, phase("caching")),
        Rule("Scanning image metadata: ", BAR_BEGINS, phase("caching")),
        Rule("Processing prompts: ", BAR_BEGINS, phase("caching")),
        Rule("Write embeds to disk: ", BAR_BEGINS, phase("caching")),
        Rule("Processing bucket ", r"[\d.]{1,20}: " + BAR_BEGINS, phase("caching")),
        Rule("Processing validation prompts: ", BAR_BEGINS, phase("sampling")),
        Rule("Calculate validation loss (", r".{1,200}\): " + BAR_BEGINS, phase("validating")),
        Rule("Saving final LyCORIS checkpoint to ", r".", phase("saving")),
        Rule("Training has completed.", r"", lambda line: Finished(is_saved=False)),  # then it samples and saves
    ),
)

# The epochs of its bar are those that are over, counted from where the training was begun or resumed.
ONETRAINER = Dialect(
    name="OneTrainer",
    bar="step",
    loss="loss",
    average="smooth loss",
    lr="",
    rules=(
        Rule("epoch: ", BAR_BEGINS + r"[^|]{0,500}\| *0/(\d{1,9}) \[00:00<", lambda line: epoch_over(0, int(line[1]), True)),
        Rule(
            "epoch: ",
            BAR_BEGINS + r"[^|]{0,500}\| *(\d{1,9})/(\d{1,9}) \[",
            lambda line: epoch_over(int(line[1]), int(line[2])),
        ),
        Rule(
            "Continuing training from backup '",
            r".*-backup-(\d{1,15})-(\d{1,9})-\d{1,15}[\\/]?'\.\.\.$",
            lambda line: Resume(int(line[1]), epochs=int(line[2])),
        ),
        Rule("enumerating sample paths: ", BAR_BEGINS, phase("caching")),
        Rule("caching: ", BAR_BEGINS, phase("caching")),
        Rule("Quantizing model weights: ", BAR_BEGINS, phase("loading")),
        Rule("sampling: ", BAR_BEGINS, phase("sampling")),
        Rule("validation_step: ", BAR_BEGINS, phase("validating")),
        Rule("Creating Backup ", r"(.+)$", checkpoint),
        Rule("Saving ", r"(.+\.(?:safetensors|ckpt|pt))$", checkpoint),
    ),
    is_in_epoch=True,
)

AI_TOOLKIT = Dialect(
    name="ai-toolkit",
    bar=ANY,
    loss="loss",
    average="",
    lr="lr",
    rules=(
        Rule("# Running job: ", r".", phase("loading", is_start=True)),
        Rule("Loading ", r"(?:[\w.-]{1,40} )?(?:[Mm]odel|[Tt]ransformer|VAE|vae|T5|t5|CLIP|clip)(?: \d)?$", phase("loading")),
        Rule("Quantizing ", r"[\w.-]{1,40}(?: \d)?$", phase("loading")),
        Rule(
            "Caching ", r"(?:latents|text[ _]embeddings|clip vision)(?: to disk)?(?: for .+|: +\d{1,3}%\|.*)$", phase("caching")
        ),
        Rule("Found step ", r"(\d{1,15}) in metadata, starting from there$", lambda line: Resume(int(line[1]))),
        Rule("Generating baseline samples before training", r"$", phase("sampling")),
        Rule("Generating Images: ", BAR_BEGINS, phase("sampling")),
        Rule("Generating Samples: ", BAR_BEGINS, phase("sampling")),
        Rule("Saving at step ", r"\d{1,15}$", phase("saving")),
        Rule("Saved checkpoint to ", r"(.*_\d{9}\b[^\\/]*)$", checkpoint),
        Rule("Saved checkpoint to ", r"(.+)$", lambda line: Finished(line[1])),  # without a step in its name: the last one
    ),
    is_ahead=True,
)

DIALECTS = (OURS, KOHYA, DIFFUSERS, SIMPLETUNER, ONETRAINER, AI_TOOLKIT)  # of two names of bars that fit the first counts

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
RULES = [rule for dialect in DIALECTS for rule in dialect.rules] + list(LIBRARIES)
READERS = [(rule.start, rule.end, rule.pattern, rule.make) for rule in RULES]
STARTS = tuple(rule.start for rule in RULES if rule.start)
ENDS = tuple(rule.end for rule in RULES if rule.end)

# A tqdm bar with what may stand before it. Each part is bounded and none goes past the end of the line or the closing
# bracket, so that a bar is whole as soon as its bracket is there, however the file is cut into reads. A digit may be any
# digit: log/runs.py relies on it. Blanks and "[A" before it are what is left of a terminal's cursor.
# Most lines that are no bar have no "|", and end there.
NAMES = "|".join(row.bar if row.bar != ANY else f"(?P<any>{ANY})" for row in DIALECTS).encode()
FIRST = "|".join(f"{row.lr}: " for row in DIALECTS if row.bar == ANY).encode()  # word after a bar of any name
BAR = re.compile(
    rb"(?=[^|\r\n]{0,900}+\|)(?: |\[A){0,200}+"
    rb"(?:\[?(?P<hour>\d{4}-\d\d-\d\d[ T]\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,]\d{1,9})?Z?\]? "
    rb"|\[\d\d:\d\d:\d\d\] )?(?:\[[A-Z]{1,9}\] )?"
    rb"(?P<name>" + NAMES + rb"): {1,4}\d{1,3}%\|(?:[^|\r\n\x1b]{0,500}\|)?"
    rb" ?(?P<step>\d{1,15})/(?P<total>\d{1,15}) "
    rb"\[(?:(?P<bar_hour>\d{1,7}):)?(?P<bar_minute>\d\d):(?P<bar_second>\d\d)<[^,\]\r\n\x1b]{1,40},"
    rb"[^,\]\r\n\x1b]{1,40}(?(any)(?=, (?:" + FIRST + rb")))(?:, (?P<postfix>[^\]\r\n\x1b]{0,1000}))?\]"
)
LARGEST = 1e100  # of a loss; those that a GPU makes end at 3e38
FIELD = re.compile(rb"(?:^|, | )([^=,:]++)(?:=|: )([^, ]*)")  # tqdm writes loss=0.3, lr=1e-4; ai-toolkit lr: 1e-4 loss: 0.3


@lru_cache(maxsize=64)
def find_words(name: bytes) -> tuple[Dialect, tuple[bytes, bytes, bytes]]:
    """Whose bar has this name, and its words for the step's loss, the mean and the learning rate."""
    row = next(row for row in DIALECTS if re.fullmatch(row.bar.encode(), name))
    return row, (row.loss.encode(), row.average.encode(), row.lr.encode())


def read_bar(match: re.Match[bytes]) -> Step:
    """What a bar found by BAR says."""
    name, step, total, hour, postfix, epoch, epochs = match.group("name", "step", "total", "hour", "postfix", "epoch", "epochs")
    elapsed = read_clock(None, *match.group("bar_hour", "bar_minute", "bar_second"))
    row, (loss, average, lr) = find_words(name)
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
        int(epoch) if epoch else None,
        int(epochs) if epochs else None,
        row.is_in_epoch,
        row.is_ahead,
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
        return (datetime.strptime(stamp.decode().replace("T", " "), "%Y-%m-%d %H") - datetime(1970, 1, 1)).total_seconds()
    except ValueError:
        return None  # a date such as 2026-13-45


def number(text: bytes | str | None) -> float | None:
    """A number as logs write it, nan and inf included; None for anything else. One of which no sums can be made is inf."""
    try:
        value = None if text is None else float(text)
    except ValueError:
        return None
    return math.copysign(math.inf, value) if value is not None and abs(value) > LARGEST else value


def read_text(text: str) -> Event | None:
    """What a line's text says, by the first rule that fits."""
    text = text.strip()
    if not text.startswith(STARTS) and not text.endswith(ENDS):
        return None
    for start, end, pattern, make in READERS:
        if text.startswith(start) and text.endswith(end) and (match := pattern.match(text)):
            return make(match)
    return None
