"""Writes a long training log in our dialect, as the benchmarks read it: steps, epochs, validation, a rate that wobbles."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

BEGIN = 1_795_500_000  # s since 1970
PACE = 0.25  # s a step
PER_EPOCH = 1000  # steps
TOTAL = 9_000_000  # steps that the bar promises


def lines(steps: int, first: int = 1) -> Iterator[str]:
    chance, bar, drawn = random.Random(first), "", -1
    for step in range(first, first + steps):
        elapsed = int(step * PACE)
        if elapsed != drawn:
            drawn, stamp = elapsed, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(BEGIN + elapsed))
            rate = 4 + chance.random() / 10
            bar = tqdm.format_meter(step, TOTAL, max(elapsed, 1), prefix="steps", postfix="loss=", rate=rate)
            head, tail = bar.removesuffix("]").rsplit(f" {step}/", 1)
        if step % PER_EPOCH == 1:
            yield f"{stamp} Validation: loss {1 / (1 + step**0.1):.4f} at step {step - 1}\n"
            yield f"{stamp} Epoch {step // PER_EPOCH + 1}/{TOTAL // PER_EPOCH}\n"
        loss = 0.2 + 1 / (1 + step**0.3) + chance.random() / 5
        yield f"{stamp} {head} {step}/{tail}{loss:.4f}, avr_loss={loss:.4f}, lr=1e-04]\n"


def write_log(path: Path, size: int) -> int:
    """A log of about `size` bytes; returns the number of its steps."""
    written = steps = 0
    with path.open("wb") as file:
        while written < size:
            block = "".join(lines(20_000, steps + 1)).encode()
            file.write(block)
            written, steps = written + len(block), steps + 20_000
    return steps
