"""CPU of what a refresh reads and makes: history, both figures, summary, tail. Run: `python -m tests.benchmarks.refresh`.

Measured at 1,000 and at 1,000,000 steps, with new lines before each look; pages.py measures the same through the server."""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from fluxgym.log.history import get_history
from fluxgym.log.tail import tail
from fluxgym.run.status import Status
from fluxgym.view.charts import epoch_figure, loss_figure, sparkline
from fluxgym.view.summary import summarise
from tests.benchmarks.big_log import lines
from trainer.folder import RunFolder

NEW = 20  # lines before each look


def look(folder: RunFolder) -> None:
    history = get_history(folder.training_log)
    history.update()
    summarise(folder, Status("running", is_active=True), history)
    json.dumps(loss_figure(history))
    json.dumps(epoch_figure(history))
    sparkline(history)
    tail(folder.training_log)


def milliseconds(folder: RunFolder, steps: int, times: int) -> float:
    """Median CPU time of a look at a run of `steps` steps that goes on."""
    folder.path.mkdir()
    with folder.training_log.open("w", encoding="utf-8") as log:
        log.writelines(lines(steps))
    look(folder)
    took = []
    for number in range(times):
        with folder.training_log.open("a", encoding="utf-8") as log:
            log.writelines(lines(NEW, steps + 1 + NEW * number))
        begin = time.process_time()
        look(folder)
        took.append(1000 * (time.process_time() - begin))
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        few = milliseconds(RunFolder(Path(path) / "few"), 1000, options.times)
        many = milliseconds(RunFolder(Path(path) / "many"), options.steps, options.times)
    print(f"a look: {few:.2f} ms of CPU at 1,000 steps, {many:.2f} ms at {options.steps:,} steps; ratio {many / few:.2f}")


if __name__ == "__main__":
    main()
