"""A search through a large log, against `grep -c`: the first one, one after an append, one over packed parts.

Run: `python -m tests.benchmarks.search --mb 1000`."""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from fluxgym.log.search import Search, Wanted
from tests.benchmarks.big_log import write_log
from tests.benchmarks.parse import seconds

PARTS = 5  # into which the log is cut
CASES = {  # each with what grep is asked for
    "a text in every thousandth line": (Wanted("Validation"), ["-ci", "Validation"]),
    "the same in any line, case sensitive": (Wanted("loss=0.2", is_case_sensitive=True), ["-cF", "loss=0.2"]),
    "a text that is nowhere": (Wanted("CUDA out of memory"), ["-ci", "CUDA out of memory"]),
    "errors": (Wanted(level="error"), ["-cE", "ERROR|CRITICAL|^Traceback"]),
}


def find(log: Path, wanted: Wanted, expected: int) -> tuple[Search, float]:
    """The search, and the seconds that its first look took."""
    begin = time.perf_counter()
    search = Search(log, wanted)
    found = search.update()
    took = time.perf_counter() - begin
    if found.count != expected:
        raise SystemExit(f"got {found.count:,} lines, expected {expected:,} as grep has it")
    return search, took


def grep(log: Path, options: list[str]) -> tuple[int, float]:
    """The lines that it counts, and how long it takes."""
    command = ["grep", *options, str(log)]
    count = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    begin = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)  # exit code 1: no line
    return int(count), time.perf_counter() - begin


def cut(log: Path) -> None:
    """Into packed parts, as the trainer does it, the last one still written."""
    folder = log.parent / "logs"
    folder.mkdir()
    size = log.stat().st_size // PARTS
    subprocess.run(["split", "-C", str(size), "-d", "-a", "4", "--numeric-suffixes=1", log, folder / "training."], check=True)
    *parts, last = sorted(folder.iterdir())
    last.replace(log)
    for part in parts:
        subprocess.run(["gzip", "-1", part.rename(f"{part}.log")], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=100, help="size of the log, 10**6 bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "training.log"
        steps = write_log(log, options.mb * 10**6)
        print(f"{log.stat().st_size / 1e6:,.0f} MB, {steps:,} steps")
        for name, (wanted, asked) in CASES.items():
            count, theirs = grep(log, asked)
            search, took = find(log, wanted, count)
            with log.open("a") as file:
                file.write("2026-11-24 10:00:00 one more line\n")
            begin = time.perf_counter()
            search.update()
            again = time.perf_counter() - begin
            print(f"{name}, {count:,} lines: {took:.2f} s, grep {theirs:.2f} s, ratio {took / theirs:.1f}", end="; ")
            print(f"after one more line {1000 * again:.2f} ms")
        cat = seconds(["cat", str(log)])
        cut(log)
        zcat = seconds(["sh", "-c", f"zcat {log.parent}/logs/*.gz | cat - {log} | grep -ci Validation"])
        wanted, _ = CASES["a text in every thousandth line"]
        _, took = find(log, wanted, (steps + 999) // 1000)
        print(
            f"in {PARTS - 1} packed parts and the rest: {took:.2f} s, zcat | grep {zcat:.2f} s, ratio {took / zcat:.1f}",
            end="; ",
        )
        print(f"to read the bytes alone: {cat:.2f} s")


if __name__ == "__main__":
    main()
