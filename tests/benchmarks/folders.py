"""What the Runs page costs with 10 and with 10,000 runs. Run: `python -m tests.benchmarks.folders`.

The folders are real ones (many_folders.py). A client speaks to a real server as a browser does: it opens the page, with no
index in the outputs folder and with one, then asks for its refreshing part again and again. Counted are seconds until the
whole page is there, the CPU time of the server's process by the kernel's clock of that process, the bytes sent and the
server's memory. `--wait-ms 1` makes the server wait so long for each time and each file of a run, as on a slow shared disk."""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from fluxgym.access.owner import KEY as KEY_NAME
from tests.benchmarks.many_folders import make_folders
from tests.benchmarks.pages import BEARER, KEY, ask, serving

PATIENCE = 600  # s
WARM = 3  # refreshes that are not counted
SLOW = "import io, os, runpy, sys, time; stat, open_ = os.stat, io.open\n"
SLOW += "wait = lambda of: '{outputs}' in str(of) and time.sleep({seconds})\n"
SLOW += "os.stat = lambda *a, **k: (wait('{outputs}' if k.get('dir_fd') else a[0]), stat(*a, **k))[1]\n"
SLOW += "io.open = lambda *a, **k: (wait(a[0]), open_(*a, **k))[1]\n"
SLOW += "sys.argv = sys.argv[1:]; runpy.run_module('streamlit', run_name='__main__')"


@dataclass(frozen=True)
class Cost:
    """Of the Runs page with so many runs."""

    opened: list[float]  # s until it is whole: a server that has just started, with no index; opened once more
    opened_kib: float
    refresh_ms: list[float]  # of the server's CPU
    begun_ms: list[float]  # of one after something began
    waited: float  # s, until a refresh is there
    refresh_kib: float
    mib: float  # the server's memory, at the end


async def measure(port: int, pid: int, outputs: Path, refreshes: int) -> Cost:
    clock = (~pid << 3) | 2  # the kernel's name for the CPU clock of a process: clock_getcpuclockid(3)
    dial: Any = {"subprotocols": [Subprotocol("streamlit")], "max_size": None, "additional_headers": BEARER}
    opened: list[float] = []
    took: dict[bool, list[float]] = {False: [], True: []}
    async with connect(f"ws://127.0.0.1:{port}/_stcore/stream", **dial) as server:
        for _ in range(2):
            begin = time.perf_counter()
            answer = await ask(server, "", patience=PATIENCE)
            opened.append(time.perf_counter() - begin)
        live = max(set(answer.parts), key=answer.parts.count)
        await until_idle(clock)
        kib = 0.0
        waits = []
        for number in range(WARM + 2 * refreshes):
            if has_begun := number >= WARM + refreshes:
                os.utime(outputs)
            before, begin = time.clock_gettime(clock), time.perf_counter()
            kib = (await ask(server, "", fragment=live, patience=PATIENCE)).size / 1024
            waits.append(time.perf_counter() - begin)
            await asyncio.sleep(0.05)  # what the server does after the answer is counted too
            if number >= WARM:
                took[has_begun].append(1000 * (time.clock_gettime(clock) - before))
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    waited = statistics.median(waits[WARM : WARM + refreshes])
    return Cost(opened, answer.size / 1024, took[False], took[True], waited, kib, int(rss.split()[1]) / 1024)


async def until_idle(clock: int) -> None:
    """Waits while the server reads beside the pages: that is done once."""
    while True:
        before = time.clock_gettime(clock)
        await asyncio.sleep(1)
        if time.clock_gettime(clock) - before < 0.03:
            return


def serve(outputs: Path, wait_ms: float) -> AbstractContextManager[tuple[int, int]]:
    """A server of these runs: its port and its process."""
    variables = {"FLUXGYM_OUTPUTS": str(outputs), KEY_NAME: KEY}
    variables |= {"FLUXGYM_ACCESS_FILE": f"{outputs}.access.json", "FLUXGYM_LOCKS": f"{outputs}.locks"}
    runner = ["-c", SLOW.format(seconds=wait_ms / 1000, outputs=outputs), "streamlit"] if wait_ms else ["-m", "streamlit"]
    return serving(variables, runner)


def report(count: int, state: str, cost: Cost) -> None:
    print(
        f"{count:,} runs, {state}: first open {cost.opened[0]:.2f} s, again {cost.opened[1]:.2f} s, {cost.opened_kib:.0f} KiB; "
        f"a refresh {statistics.mean(cost.refresh_ms):.1f} ms of CPU (median {statistics.median(cost.refresh_ms):.1f}, "
        f"most {max(cost.refresh_ms):.1f}), {1000 * cost.waited:.0f} ms until it is there and {cost.refresh_kib:.1f} KiB, "
        f"{statistics.mean(cost.begun_ms):.1f} ms of CPU where a run began; the server takes {cost.mib:.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 10_000])
    parser.add_argument("--refreshes", type=int, default=30)
    parser.add_argument("--wait-ms", type=float, default=0.0)
    options = parser.parse_args()
    costs = []
    with tempfile.TemporaryDirectory() as name:
        for count in options.runs:
            outputs = Path(name) / f"outputs-{count}"
            make_folders(outputs, count)
            for state in ("no index", "its index"):
                with serve(outputs, options.wait_ms) as (port, pid):
                    cost = asyncio.run(measure(port, pid, outputs, options.refreshes))
                report(count, state, cost)
            costs.append(cost)
    few, many = (statistics.mean(cost.refresh_ms) for cost in (costs[0], costs[-1]))
    print(f"ratio of the refreshes {many / few:.2f}; memory for the others {costs[-1].mib - costs[0].mib:.0f} MiB")
    print("(goals: first open under 3 s, a refresh under 50 ms)")


if __name__ == "__main__":
    main()
