"""What guarding a run costs: the supervisor's memory, start time and CPU. Run: `python -m tests.benchmarks.supervisor`.

Start time is that of `python -m fluxgym.run` until it holds the lock and knows what to do, against `python -c pass`.
The guarded training makes a step every --pace seconds; its log has --steps steps before, because a supervisor reads it. With
--gpu there is a GPU to look at (tests/fake_gpus.py), through the real nvidia-ml-py."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fake_gpus import FakeGpus

ROOT = Path(__file__).resolve().parents[2]
TRAINING = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
step, bar, pace = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
while True:
    time.sleep(pace)
    step += 1
    print(time.strftime("%Y-%m-%d %H:%M:%S"), bar.format(percent=50, step=step, steps=10 * step), flush=True)
"""
STEP = "steps: {percent:3d}%|##########| {step}/{steps} [00:00<00:27, 11.00it/s, loss=0.9834, avr_loss=0.9834, lr=2e-04]"
GPU = "GPU-a 23900 24576 98 340 350 74 4 -"


def seconds(command: list[str]) -> float:
    """Median wall time of a command."""
    took = []
    for _ in range(15):
        begin = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def measure_start(outputs: Path) -> None:
    from fluxgym.run.record import begin_attempt, write_record
    from trainer.folder import RunFolder

    folder = RunFolder(outputs / "ended")
    folder.path.mkdir()
    write_record(folder, begin_attempt(folder, None, [sys.executable, "-c", "pass"]))
    supervisor = [sys.executable, "-m", "fluxgym.run", str(folder.path)]
    subprocess.run(supervisor, cwd=ROOT, check=True)  # guards a training that does nothing, to its verdict
    bare, mine = seconds([sys.executable, "-c", "pass"]), seconds(supervisor)
    print(
        f"start, lock taken and record read: {mine * 1000:.0f} ms; bare python: {bare * 1000:.0f} ms; ratio {mine / bare:.1f}"
    )


def measure_guarding(outputs: Path, steps: int, watched: float, pace: float) -> None:
    from fluxgym.run.care import NONE, Care
    from fluxgym.run.identity import read_stat
    from fluxgym.run.launch import start_run, stop_run
    from fluxgym.run.record import read_record
    from fluxgym.run.status import read_status
    from trainer.folder import RunFolder

    folder = RunFolder(outputs / "guarded")
    folder.path.mkdir()
    with folder.training_log.open("w", encoding="utf-8") as log:
        lines = (STEP.format(percent=100 * step // steps, step=step, steps=steps) for step in range(1, steps + 1))
        log.writelines(f"2026-11-24 10:15:03 {line}\n" for line in lines)
    care = Care(place=NONE)  # it waits for nobody
    start_run(folder, [sys.executable, "-c", TRAINING, str(steps), STEP, str(pace)], care=care)
    while not read_status(folder).pid or "state running" not in folder.monitor_log.read_text():
        time.sleep(0.05)
    supervisor = read_record(folder).supervisor
    before = read_stat(supervisor.pid)
    time.sleep(watched)
    after = read_stat(supervisor.pid)
    peak = next(line for line in Path(f"/proc/{supervisor.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    bare = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    time.sleep(0.5)
    bare_memory = read_stat(bare.pid).memory
    bare.communicate()
    stop_run(folder, wait=20)
    share = (after.cpu_seconds - before.cpu_seconds) / watched
    print(
        f"memory after a log of {steps:,} steps: {after.memory / 2**20:.1f} MiB (at most {int(peak.split()[1]) / 1024:.1f} MiB)"
    )
    print(f"bare python: {bare_memory / 2**20:.1f} MiB; ratio {after.memory / bare_memory:.1f}")
    print(f"CPU while guarding for {watched:g} s, a step every {pace:g} s: {share:.2%} of one core")
    print(next(line for line in reversed(folder.monitor_log.read_text().splitlines()) if ", health " in line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=65, help="how long CPU is watched; evidence is written every 30 s")
    parser.add_argument("--pace", type=float, default=1, help="s a step")
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        os.environ["FLUXGYM_OUTPUTS"] = path
        os.environ["FLUXGYM_LOCKS"] = str(Path(path) / "locks")
        measure_start(Path(path))
        if options.gpu:
            os.environ |= FakeGpus.make(Path(path) / "driver", GPU).environment
        measure_guarding(Path(path), options.steps, options.seconds, options.pace)


if __name__ == "__main__":
    main()
