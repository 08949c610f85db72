"""A large log read from its beginning, against `wc -l` and `grep -c`. Run: `python -m tests.benchmarks.parse --mb 1000`."""

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from fluxgym.log.history import History
from tests.benchmarks.big_log import lines, write_log

REFRESHES = 50


def seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.PIPE)  # to /dev/null grep would not count
    return time.perf_counter() - begin


def refresh(history: History, steps: int) -> float:
    """Milliseconds that an update takes after one more step."""
    took = []
    for line in (line for line in lines(2 * REFRESHES, steps + 1) if "steps:" in line):
        with history.path.open("a", encoding="utf-8") as file:
            file.write(line)
        begin = time.perf_counter()
        history.update()
        took.append(1000 * (time.perf_counter() - begin))
        if len(took) == REFRESHES:
            break
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=100, help="size of the log, 10**6 bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "training.log"
        steps = write_log(log, options.mb * 10**6)
        subprocess.run(["cat", str(log)], check=True, stdout=subprocess.DEVNULL)  # into the page cache, for all alike
        wc, grep = seconds(["wc", "-l", str(log)]), seconds(["grep", "-c", "steps: .*loss=", str(log)])
        begin, cpu = time.perf_counter(), time.process_time()
        history = History(log)
        history.update()
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
        again = refresh(history, steps)
        steps += REFRESHES
        if history.points != steps or history.step != steps:
            raise SystemExit(f"got {history.points:,} points up to step {history.step}, expected {steps:,}")
        size, memory = log.stat().st_size / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:,.0f} MB, {steps:,} steps: {took:.2f} s ({cpu:.2f} s of CPU), {size / took:,.0f} MB/s, "
            f"at most {memory:,.0f} MiB of memory"
        )
        print(f"each of {REFRESHES} refreshes after one more step: median {again:.2f} ms")
        print(f"wc -l: {wc:.2f} s, ratio {took / wc:.1f}; grep -c: {grep:.2f} s, ratio {took / grep:.1f}")


if __name__ == "__main__":
    main()
