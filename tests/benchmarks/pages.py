"""What a refresh of the Run page costs the server, at 1,000 and at 1,000,000 steps. Run: `python -m tests.benchmarks.pages`.

A client speaks to a real server as a browser does, over its websocket: it opens the page, then asks for the refreshing part
again and again, while the log grows by a line each time, and fetches what its charts ask for, as chart.js does. Counted are
the bytes of both, and the CPU time of the server's process, in nanoseconds by the kernel's clock of that process. The two
runs take turns, so that what else the machine does falls on both alike."""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from fluxgym.access.owner import KEY as KEY_NAME
from fluxgym.run import lock
from fluxgym.run.identity import Identity
from fluxgym.run.record import begin_attempt, write_record
from trainer.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
STEP = "2026-11-24 {time} steps: {percent:3d}%|#####     | {step}/{steps} [00:00<00:27, 11.00it/s, "
STEP += "loss={loss:.4f}, avr_loss={loss:.4f}, lr=2e-04]\n"
KEY = "the key of this benchmark"
BEARER = {"Authorization": f"Bearer {KEY}"}
WARM = 5  # refreshes that are not counted
PER_EPOCH = 1000  # steps; the number of epochs grows with the run, as it does in life


@dataclass
class Cost:
    """Of one refresh."""

    cpu_ms: float
    kib: float  # over Streamlit's websocket
    fetched_kib: float  # by the charts, headers included


def write_run(folder: RunFolder, steps: int) -> None:
    """A run under way, guarded by this process, `steps` steps on."""
    folder.path.mkdir(parents=True)
    record = begin_attempt(folder, None, ["a training that is only written down"])
    mine = Identity.of(os.getpid())
    write_record(folder, record.to("running", training=mine))
    with folder.training_log.open("w", encoding="utf-8") as log:
        for step in range(1, steps + 1):
            if step % PER_EPOCH == 1:
                log.write(f"2026-11-24 10:00:00 Epoch {step // PER_EPOCH + 1}/{steps // PER_EPOCH + 1}\n")
            log.write(line(step, steps + PER_EPOCH))


def line(step: int, steps: int) -> str:
    clock = time.strftime("%H:%M:%S", time.gmtime(step // 12))
    return STEP.format(
        time=clock, percent=100 * step // steps, step=step, steps=steps, loss=1 / (1 + step**0.3) + step % 7 / 50
    )


@dataclass
class Answer:
    """What Streamlit sent: the parts that the page has, the addresses of its charts, and how many bytes."""

    parts: list[str] = field(default_factory=list)
    charts: dict[str, str] = field(default_factory=dict)  # version by address
    size: int = 0

    def hear(self, data: bytes, told: ForwardMsg) -> None:
        self.size += len(data)
        if told.WhichOneof("type") != "delta":
            return
        if told.delta.fragment_id:
            self.parts.append(told.delta.fragment_id)
        kind = told.delta.new_element.WhichOneof("type")
        if kind == "exception":
            raise RuntimeError(told.delta.new_element.exception.message)
        if kind == "bidi_component":
            given = json.loads(told.delta.new_element.bidi_component.json or "{}")
            if "chart" in given:
                self.charts[given["url"]] = given["version"]


class Feed:
    """The charts' own connection, which is kept as a browser keeps it."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.has: dict[str, str] = {}  # the last answer by address
        self.versions: dict[str, str] = {}

    def fetch(self, charts: dict[str, str]) -> int:
        """What is new of each address whose version changed. The bytes of the answers."""
        size = 0
        for url, version in charts.items():
            if self.versions.get(url) == version:
                continue
            self.connection.request("GET", f"/{url}&has={self.has.get(url, '')}", headers=BEARER | {"Accept-Encoding": "gzip"})
            answer = self.connection.getresponse()
            body = answer.read()
            assert answer.status == 200, f"{url} answers {answer.status}"
            size += len(body) + sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
            plain = gzip.decompress(body) if answer.headers["content-encoding"] == "gzip" else body
            self.has[url], self.versions[url] = json.loads(plain)["name"], version
        return size


async def ask(server: ClientConnection, page: str, query: str = "", fragment: str = "", patience: float = 120) -> Answer:
    """Asks for a run of a page, or of one part of it."""
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.page_name = page
    message.rerun_script.fragment_id = fragment
    await server.send(message.SerializeToString())
    answer = Answer()
    while True:
        data = await asyncio.wait_for(server.recv(), patience)
        data = data if isinstance(data, bytes) else data.encode()
        told = ForwardMsg.FromString(data)
        answer.hear(data, told)
        if told.WhichOneof("type") == "script_finished":
            return answer


class Viewer:
    """One open Run page."""

    def __init__(self, server: ClientConnection, feed: Feed, folder: RunFolder, steps: int):
        self.server, self.feed, self.folder, self.steps, self.live = server, feed, folder, steps, ""
        self.costs: list[Cost] = []

    async def ask(self, fragment: str = "") -> Answer:
        return await ask(self.server, "run", f"run={self.folder.name}", fragment)

    async def open(self) -> None:
        answer = await self.ask()
        assert answer.charts, "the page has no charts"
        self.live = max(set(answer.parts), key=answer.parts.count)
        for _ in range(WARM):
            answer = await self.ask(self.live)
            self.feed.fetch(answer.charts)

    async def refresh(self, clock: int) -> None:
        self.steps += 1
        with self.folder.training_log.open("a", encoding="utf-8") as log:
            log.write(line(self.steps, self.steps + PER_EPOCH))
        before = time.clock_gettime(clock)
        answer = await self.ask(self.live)
        fetched = self.feed.fetch(answer.charts)
        await asyncio.sleep(0.05)  # what the server does after the answer, its garbage collection, is counted too
        self.costs.append(Cost(1000 * (time.clock_gettime(clock) - before), answer.size / 1024, fetched / 1024))
        assert self.live in answer.parts, "the refresh drew nothing"
        assert fetched, "the refresh fetched nothing"


async def measure(port: int, pid: int, folders: list[RunFolder], steps: list[int], refreshes: int) -> list[list[Cost]]:
    """The costs of the refreshes of each run."""
    clock = (~pid << 3) | 2  # the kernel's name for the CPU clock of a process: clock_getcpuclockid(3)
    address, protocol = f"ws://127.0.0.1:{port}/_stcore/stream", Subprotocol("streamlit")
    async with contextlib.AsyncExitStack() as stack:
        dial: Any = {"subprotocols": [protocol], "max_size": None, "additional_headers": BEARER}
        sessions = [await stack.enter_async_context(connect(address, **dial)) for _ in folders]
        feeds = [Feed(port) for _ in folders]
        viewers = [Viewer(*each) for each in zip(sessions, feeds, folders, steps, strict=True)]
        for viewer in viewers:
            await viewer.open()
        for _ in range(refreshes):
            for viewer in viewers:
                await viewer.refresh(clock)
    return [viewer.costs for viewer in viewers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs=2, default=[1000, 1_000_000])
    parser.add_argument("--refreshes", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        outputs = Path(name) / "outputs"
        folders = [RunFolder(outputs / f"run-{steps}") for steps in options.steps]
        for folder, steps in zip(folders, options.steps, strict=True):
            write_run(folder, steps)
        variables = {"FLUXGYM_OUTPUTS": str(outputs), KEY_NAME: KEY, "FLUXGYM_ACCESS_FILE": f"{name}/access.json"}
        with serving(variables) as (port, pid), lock.hold(folders[0].lock, 1), lock.hold(folders[1].lock, 1):
            costs = asyncio.run(measure(port, pid, folders, options.steps, options.refreshes))
    report(options.steps, costs)


def report(steps: list[int], costs: list[list[Cost]]) -> None:
    means = []
    for count, each in zip(steps, costs, strict=True):
        cpu = [cost.cpu_ms for cost in each]
        low, middle, high = statistics.quantiles(cpu, n=4)
        kib = [statistics.mean(part) for part in zip(*((cost.kib, cost.fetched_kib) for cost in each), strict=True)]
        most = max(cost.kib + cost.fetched_kib for cost in each)
        means.append(statistics.mean(cpu))
        print(
            f"a refresh of the Run page at {count:,} steps: mean {means[-1]:.1f} ms of server CPU "
            f"(quartiles {low:.1f}, {middle:.1f}, {high:.1f}; {len(cpu)} refreshes), "
            f"{sum(kib):.1f} KiB sent ({kib[0]:.1f} by Streamlit, {kib[1]:.1f} to the charts; the most was {most:.1f})"
        )
    print(f"ratio of the means {means[1] / means[0]:.2f} (goals: within 1.2, under 20 ms, under 40 KiB)")


@contextlib.contextmanager
def serving(
    variables: Mapping[str, str], runner: Sequence[str] = ("-m", "streamlit"), core: int | None = None
) -> Iterator[tuple[int, int]]:
    """A real server with these variables, on one core where that is named: its port and its pid."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *runner, "run", "dashboard.py", "--server.headless", "true", "--server.port", str(port)]
    server = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if core is not None:
        os.sched_setaffinity(server.pid, {core})
    try:
        wait_until_up(port)
        yield port, server.pid
    finally:
        server.kill()
        server.wait()


def wait_until_up(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
