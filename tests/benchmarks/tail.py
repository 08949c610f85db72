"""The last 100 lines of a large log, against `tail -n 100` as a process. Run: `python -m tests.benchmarks.tail --mb 1000`."""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fluxgym.log.tail import tail
from tests.benchmarks.big_log import write_log

LINES, TIMES = 100, 50


def milliseconds(do: Callable[[], object]) -> float:
    """Median wall time."""
    took = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        do()
        took.append(1000 * (time.perf_counter() - begin))
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=100, help="size of the log, 10**6 bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "training.log"
        write_log(log, options.mb * 10**6)
        command = ["tail", "-n", str(LINES), str(log)]
        theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        if tail(log, LINES).lines != theirs:
            raise SystemExit("the lines differ from those of tail")
        mine, process = (
            milliseconds(lambda: tail(log, LINES)),
            milliseconds(lambda: subprocess.run(command, check=True, capture_output=True)),
        )
        print(f"last {LINES} lines of {log.stat().st_size / 1e6:,.0f} MB: {mine:.2f} ms")
        print(f"tail -n {LINES} as a process: {process:.2f} ms; ratio {mine / process:.2f}")


if __name__ == "__main__":
    main()
