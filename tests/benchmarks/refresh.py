"""What reading a run costs at 1,000 and at 1,000,000 steps, without the server. Run: `python -m tests.benchmarks.refresh`.

Measured are the first look, in a process of its own with all its memory, and each look after it, with new lines before it:
the history, the summary, the last lines, and what is new of all charts, as JSON. pages.py measures the same through the
server."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fluxgym.log.history import get_history
from fluxgym.log.tail import tail
from fluxgym.run.status import Status
from fluxgym.ui.chart_feed import GROUPS, answer
from fluxgym.view.charts import View
from fluxgym.view.summary import summarise
from tests.benchmarks.big_log import lines
from trainer.folder import RunFolder

NEW = 20  # lines before each look


class Viewer:
    """Somebody who looks at a run again and again."""

    def __init__(self, folder: RunFolder):
        self.folder, self.has = folder, dict.fromkeys(GROUPS, "")

    def look(self) -> int:
        """All that a look reads and makes. The bytes of the charts."""
        history = get_history(self.folder.training_log)
        history.update()
        summarise(self.folder, Status("running", is_active=True), history)
        tail(self.folder.training_log)
        size = 0
        for group in GROUPS:
            said = answer(self.folder.name, group, View(), self.has[group])
            assert said is not None, "there is no such run"
            self.has[group], size = json.loads(said)["name"], size + len(said)
        return size


def first(folder: RunFolder) -> None:
    """One look, and what it took: seconds, and the most memory that this process had, in MiB."""
    begin = time.perf_counter()
    Viewer(folder).look()
    seconds = time.perf_counter() - begin
    most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([seconds, int(most.split()[1]) / 1024]))


def later(folder: RunFolder, steps: int, times: int) -> tuple[float, float]:
    """Median CPU time of a look, in ms, and mean size of the charts, in KiB, of a run of `steps` steps that goes on."""
    viewer = Viewer(folder)
    viewer.look()
    took, sizes = [], []
    for number in range(times):
        with folder.training_log.open("a", encoding="utf-8") as log:
            log.writelines(lines(NEW, steps + 1 + NEW * number))
        begin = time.process_time()
        sizes.append(viewer.look() / 1024)
        took.append(1000 * (time.process_time() - begin))
    return statistics.median(took), statistics.mean(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--first", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first:
        return first(RunFolder(options.first))
    costs = []
    with tempfile.TemporaryDirectory() as path:
        os.environ["FLUXGYM_OUTPUTS"] = path
        for steps in (1000, options.steps):
            folder = RunFolder(Path(path) / str(steps))
            folder.path.mkdir()
            with folder.training_log.open("w", encoding="utf-8") as log:
                log.writelines(lines(steps))
            command = [sys.executable, "-m", "tests.benchmarks.refresh", "--first", str(folder.path)]
            seconds, mib = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            milliseconds, kib = later(folder, steps, options.times)
            costs.append((seconds, mib, milliseconds))
            print(
                f"{steps:,} steps: first look {seconds:.2f} s and {mib:.0f} MiB in all, "
                f"each after it {milliseconds:.2f} ms of CPU and {kib:.1f} KiB"
            )
    few, many = costs
    print(f"ratio of the looks {many[2] / few[2]:.2f}; the million steps took {many[1] - few[1]:.0f} MiB")
    print("(goals: under 5 s, under 300 MiB, under 5 ms)")
    return None


if __name__ == "__main__":
    main()
