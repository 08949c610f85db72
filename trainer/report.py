"""What the training says: one time-stamped line each, flushed. The training log's readers rely on these shapes.

Imports no torch. The libraries' own bars and harmless warnings are silenced here."""

import io
import logging
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from tqdm import tqdm

EVERY = 0.5  # s between two lines about the progress of something that is not training
EVERY_DOWNLOAD = 5.0  # s; it may take an hour
SMOOTHING = 0.1  # weight of the newest step in the rate shown
WARM, FIRST = 2, 10  # steps that are left out of the speed, as they allocate and compile; after which it is told first
GB = 2**30  # bytes
T = TypeVar("T")

_silent = False  # in all but the first of several processes


def silence() -> None:
    """From here on this process says nothing: another one speaks for it."""
    global _silent  # noqa: PLW0603  one process has one log
    _silent = True


def say(text: str) -> None:
    """Writes one line of the log."""
    if not _silent:
        speak(text)


def speak(text: str) -> None:
    """The same of what is this process's alone, whoever speaks for it otherwise."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def say_at_once(text: str) -> None:
    """The same from a signal handler, which may run in the middle of a print: past Python's buffer, which is empty
    between two lines."""
    if not _silent:
        os.write(sys.stdout.fileno(), f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())


def warn(text: str) -> None:
    say(f"WARNING {text}")


def error(text: str, of_all: bool = False) -> None:
    """One line however long the text is: readers take a line as a message.

    Each process tells its own, as the others need not have it; one that is `of_all` of them is told by the first."""
    (say if of_all else speak)("ERROR " + "; ".join(line.strip() for line in text.splitlines()).replace(":;", ":"))


def count(what: str, items: Sequence[T], every: float = EVERY) -> Iterator[T]:
    """Goes through the items, saying 'Caching latents: 3/12' after the first, every so many seconds, and at the last."""
    said = -math.inf
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - said >= every or number == len(items):
            say(f"{what}: {number}/{len(items)}")
            said = time.monotonic()


def make_download_bar(what: str, tell: Callable[[str], None] = say, every: float = EVERY_DOWNLOAD) -> type[tqdm]:
    """A bar for huggingface_hub that says 'Downloading owner/model: 1,204 of 23,800 MiB' now and then, while bytes come.

    The library has one bar for what came and one for what is on the disk; whichever is ahead speaks. `tell` is called by one
    thread at a time."""
    speaking = threading.Lock()

    class DownloadBar(tqdm):
        said, got = -math.inf, 0.0  # of all bars together: when, and how many bytes

        def __init__(self, *given: Any, **options: Any):
            super().__init__(*given, **options | {"file": io.StringIO(), "disable": False, "leave": False})

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            if time.monotonic() - DownloadBar.said >= every:
                self._say()

        def close(self) -> None:
            if not self.disable:  # not closed yet
                self._say()
            super().close()

        def _say(self) -> None:
            with speaking:
                if self.unit != "B" or self.n <= DownloadBar.got:  # others count files
                    return
                DownloadBar.said, DownloadBar.got = time.monotonic(), self.n
                tell(f"Downloading {what}: {self.n / 2**20:,.0f} of {(self.total or self.n) / 2**20:,.0f} MiB")

    return DownloadBar


class StepLines:
    """One line for each step of training, in the shape of tqdm's bar."""

    def __init__(self, total: int):
        self.total = total
        self.began = self.last = time.monotonic()
        self.took = 0.0  # s, the step that was told last
        self.seconds_per_step: float | None = None

    def go_on(self) -> None:
        """Call when steps begin anew, so that what was done between them, such as sampling, stays out of the rate."""
        self.last = time.monotonic()

    def say(self, step: int, loss: float, average: float, learning_rate: float) -> None:
        """A step that has just ended, with the loss of its batch and of the last epoch."""
        now = time.monotonic()
        self.took, self.last = now - self.last, now
        before = self.took if self.seconds_per_step is None else self.seconds_per_step
        self.seconds_per_step = before + SMOOTHING * (self.took - before)
        rate = 1 / self.seconds_per_step if self.seconds_per_step else None
        postfix = f"loss={loss:.4f}, avr_loss={average:.4f}, lr={short(learning_rate)}"
        elapsed = now - self.began
        say(tqdm.format_meter(step, self.total, elapsed, prefix="steps", rate=rate, postfix=postfix, ncols=None))


class Work(NamedTuple):
    """What there was to do in a step."""

    tokens: int = 0  # of the images of the whole batch
    flops: float = 0.0  # at least needed, of this device's share


class SpeedLines:
    """A line now and then about the steps since the last one: how fast they were, and what they took.

    FLOPs are those that a step needs at least; what checkpointing computes twice is work, but no result."""

    def __init__(self, every: int = 0, peak: float | None = None, measure_memory: Callable[[], float] = float):
        """`every` so many steps, 0: never. `peak` FLOP/s of the device, where known. Memory in bytes."""
        self.every, self.peak, self.measure_memory = every, peak, measure_memory
        self.steps, self.seconds = 0, 0.0
        self.waiting: list[Callable[[], Work]] = []

    def note(self, seconds: float, weigh: Callable[[], Work]) -> None:
        """A step that has just ended. What it had to do is asked for when it is told, as that is counted first."""
        self.steps += 1
        if not self.every or self.steps <= WARM:
            return
        self.seconds += seconds
        self.waiting.append(weigh)
        if (self.steps == FIRST or self.steps % self.every == 0) and self.seconds:
            self._say()
            self.waiting, self.seconds = [], 0.0

    def _say(self) -> None:
        done = [weigh() for weigh in self.waiting]
        rate, tokens = sum(work.flops for work in done) / self.seconds, sum(work.tokens for work in done) / self.seconds
        words = [f"{_significant(self.seconds / len(done))} s/it", f"{_significant(tokens)} tokens/s"]
        words.append(f"{_significant(rate / 1e12)} TFLOP/s")
        if self.peak:
            words.append(f"MFU {100 * rate / self.peak:.0f} %")
        say(f"Speed: {', '.join(words)}, peak memory {self.measure_memory() / GB:.1f} GB")


def _significant(number: float) -> str:
    """Three digits: 9941.2 -> '9,941', 0.41234 -> '0.412'."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def short(number: float) -> str:
    """0.0002 -> '2e-04', 0.000185 -> '1.85e-04'."""
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def quiet_libraries() -> None:
    """Keeps bars and known harmless warnings of the libraries out of the log, and tells nobody what is done here.

    Call before they are imported."""
    # Threads that wait for each other sleep instead of spinning: where other processes want the cores, a dashboard for one,
    # spinning makes a step on the CPU many times slower. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it says that a faster package is not there
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
