"""What FLUX.1 takes at least: FLOPs of a training step, seconds on a card at its peak, and GB. Nothing is measured here.

Run: `python -m tests.benchmarks.roofline [--card H100] [--rank 16] [--batch 1]`; needs no GPU and no weights. FLOPs are those
of the step that is computed; a card's peak is its maker's, dense. What a real card reaches is 70 to 80 % of it in large
products alone, so no step is as fast as these bounds; those of 8 bits are as if attention were in 8 bits too. Memory is the
estimate by which presets choose (trainer/memory.py)."""

# ruff: noqa: E402  the libraries are told to be quiet before they are imported
from trainer.report import quiet_libraries

quiet_libraries()

import argparse
import tempfile
from pathlib import Path

from tests.trainer.real_size import TEXT, make_batch, make_flux1
from trainer.config import Lora
from trainer.flops import CARDS, Card, count_step_flops, find_card
from trainer.measure import Measure, count_weights
from trainer.memory import ADAMW_COPIES, GB, Demand, Fit, estimate
from trainer.quantise import bytes_per_weight
from trainer.trace import Trace

SIDES = (512, 768, 1024)  # px
SHOWN = ("H200", "H100", "A100", "L40S", "RTX A6000", "RTX 5090", "RTX 4090", "RTX 3090", "RTX 4080", "RTX 4070", "RTX 3060")
HEAD = "".join(f"{f'{side} px':>17}" for side in SIDES)


def print_flops(traces: dict[int, Trace], batch: int) -> None:
    print(f"TFLOP of a step, batch {batch}: forward; with no block and with all blocks checkpointed")
    for side, found in traces.items():
        all_blocks = count_step_flops(found, len(found.blocks))
        numbers = (batch * flops / 1e12 for flops in (found.forward, count_step_flops(found, 0), all_blocks))
        print(f"  {side:4} px, {(side // 16) ** 2} + {TEXT} tokens:" + "".join(f"{number:8.1f}" for number in numbers))


def print_seconds(traces: dict[int, Trace], batch: int, cards: list[Card]) -> None:
    print(f"\nSeconds per step at least, batch {batch}: no block / all blocks checkpointed\n{'':30}{HEAD}")
    for card in cards:
        for kind in ("bf16", "fp8", "int8"):
            if not (peak := card.peak(kind)):
                continue
            cells = []
            for found in traces.values():
                none, every = (batch * count_step_flops(found, count) / peak for count in (0, len(found.blocks)))
                cells.append(f"{none:.3f} / {every:.3f}")
            print(f"{card.name:18} {kind:5}{peak / 1e12:6.0f}" + "".join(f"{cell:>17}" for cell in cells))


def print_memory(measure: Measure, traces: dict[int, Trace], batch: int) -> None:
    sizes = count_weights(measure.twin)
    print(f"\nGB, batch {batch}: no block / all blocks checkpointed\n{'':30}{HEAD}")
    for kind in ("none", "int8", "nf4"):
        cells = []
        for side, found in traces.items():
            weights = (sizes.linears, 2 * sizes.others, sizes.largest, sizes.lora)
            demand = Demand(found, (side // 16) ** 2 + TEXT, batch, *weights, copies=ADAMW_COPIES)
            ways = (Fit(kind, count, 1, 0) for count in (0, demand.blocks))
            needs = [estimate(demand, fit, bytes_per_weight(kind)).total / GB for fit in ways]
            cells.append(f"{needs[0]:.1f} / {needs[1]:.1f}")
        print(f"base in {'bf16' if kind == 'none' else kind:22}" + "".join(f"{cell:>17}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--card", help="one card alone, such as H100 or 'RTX 4090'")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    cards = [find_card(name) for name in ([options.card] if options.card else SHOWN)]
    if None in cards:
        parser.error(f"got --card {options.card}, expected one of {', '.join(card.name for card in CARDS)}")
    with tempfile.TemporaryDirectory() as folder:
        measure = Measure(make_flux1(Path(folder)), Lora(rank=options.rank), 1)
        traces = {side: measure.trace(make_batch(side, side)) for side in SIDES}
        print_flops(traces, options.batch)
        print_seconds(traces, options.batch, [card for card in cards if card])
        print_memory(measure, traces, options.batch)


if __name__ == "__main__":
    main()
