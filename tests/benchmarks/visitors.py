"""What 100 visitors of one run cost the server, and the training beside it. Run: `python -m tests.benchmarks.visitors`.

The real trainer trains flux-mini on one core. The server is bound to another, with the visitors, so that what they take is the
server's loss and not the training's; where there are more cores they have those. Each visitor does what a browser does: it
opens the page of a link with all parts, asks every five seconds for its refreshing part, fetches what its charts ask for and
whether the link still holds. They come for a while and leave again, in turns, and the training's pace is that of its steps
from one to another line of its log. Beside no other work, for the two cores are full."""

import argparse
import asyncio
import gzip
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from fluxgym.access.links import PARTS, make_link
from fluxgym.run.care import NONE, Care
from fluxgym.run.create import create_run
from fluxgym.run.family import find_family
from fluxgym.run.launch import start_run
from fluxgym.run.record import read_record
from tests.benchmarks.pages import Answer, serving
from trainer import mini
from trainer.config import Config, load_config
from trainer.folder import RunFolder

EVERY = 5  # s between two refreshes, as in fluxgym/ui/live.py
BEGUN = 20  # steps after which it is measured
LATE = 1.0  # s that a refresh may take


@dataclass
class Costs:
    """Of all visitors together."""

    seconds: list[float] = field(default_factory=list)  # of each refresh, until its charts are there
    cpu_ms: list[float] = field(default_factory=list)  # of the server, a refresh, in each turn
    kib: list[float] = field(default_factory=list)  # of each refresh
    mib: list[float] = field(default_factory=list)  # of the server's memory, after each turn
    pace: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})  # steps a second, with and without


class Http:
    """One connection that is kept, and begun anew where the server has closed it, as browsers do."""

    def __init__(self, port: int):
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes, int]:
        """Status, body and how many bytes came."""
        if self.streams is None or self.streams[0].at_eof():
            self.close()
            self.streams = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        reader, writer = self.streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):  # closed while it was asked
            self.close()
            return await self.get(path)
        said = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = await reader.readexactly(int(said.get(b"content-length", 0)))
        plain = gzip.decompress(body) if said.get(b"content-encoding") == b"gzip" else body
        return int(head.split()[1]), plain, len(head) + len(body)

    def close(self) -> None:
        if self.streams:
            self.streams[1].close()
        self.streams = None


class Visitor:
    """One open page."""

    def __init__(self, start: str, page: ClientConnection, http: Http):
        self.start, self.page, self.http = start, page, http
        self.live = ""
        self.has: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    async def ask(self, fragment: str) -> Answer:
        """Asks for the page, or for one part of it."""
        message = BackMsg()
        message.rerun_script.fragment_id = fragment
        await self.page.send(message.SerializeToString())
        answer = Answer()
        while True:
            data = await asyncio.wait_for(self.page.recv(), 120)
            assert isinstance(data, bytes)
            told = ForwardMsg.FromString(data)
            answer.hear(data, told)
            if told.WhichOneof("type") == "script_finished":
                return answer

    async def fetch(self, charts: dict[str, str]) -> int:
        """What is new of each address whose version changed, as chart.js does. The bytes of the answers."""
        total = 0
        for url, version in charts.items():
            if self.versions.get(url) == version:
                continue
            status, body, size = await self.http.get(f"{self.start}{url}&has={self.has.get(url, '')}")
            assert status == 200, f"{url} answers {status}"
            self.has[url], self.versions[url] = json.loads(body)["name"], version
            total += size
        return total

    async def open(self) -> None:
        answer = await self.ask("")
        assert answer.charts, "the page has no charts"
        self.live = max(set(answer.parts), key=answer.parts.count)
        await self.fetch(answer.charts)

    async def stay(self, until: float, costs: Costs) -> None:
        """Refreshes every few seconds, from a moment of its own on."""
        due = time.monotonic() + random.uniform(0, EVERY)
        while due < until:
            await asyncio.sleep(due - time.monotonic())
            answer = await self.ask(self.live)
            fetched = await self.fetch(answer.charts)
            costs.seconds.append(time.monotonic() - due)  # what is asked late was waited for, too
            assert self.live in answer.parts, "the refresh drew nothing"
            status, _, size = await self.http.get(f"{self.start}alive")
            assert status == 204, f"the link is answered {status}"
            costs.kib.append((answer.size + fetched + size) / 1024)
            due += EVERY


async def visit(port: int, start: str, visitors: int, seconds: float, costs: Costs, turn: "Turn") -> None:
    """All visitors open the page; then they are counted for so many seconds; then they leave."""
    address = f"ws://127.0.0.1:{port}{start}_stcore/stream"
    pages: list[Visitor] = []
    for _ in range(visitors):
        page = await connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None, compression=None)
        pages.append(Visitor(start, page, Http(port)))
        await pages[-1].open()
    before, known = turn.server_seconds(), len(costs.seconds)
    begin = await asyncio.to_thread(turn.next_step)
    until = time.monotonic() + seconds
    await asyncio.gather(*(each.stay(until, costs) for each in pages))
    end = await asyncio.to_thread(turn.next_step)
    costs.cpu_ms.append(1000 * (turn.server_seconds() - before) / (len(costs.seconds) - known))
    costs.pace[True].append(pace(begin, end))
    costs.mib.append(turn.server_mib())
    for each in pages:
        each.http.close()
        await each.page.close()


class Turn:
    """Reads the clocks: the server's CPU time, and when the training makes its steps."""

    def __init__(self, pid: int, folder: RunFolder):
        self.clock = (~pid << 3) | 2  # the kernel's name for the CPU clock of a process: clock_getcpuclockid(3)
        self.pid, self.log = pid, folder.training_log

    def server_seconds(self) -> float:
        return time.clock_gettime(self.clock)

    def server_mib(self) -> float:
        told = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(told.partition("VmRSS:")[2].split()[0]) / 1024

    def next_step(self) -> tuple[int, float]:
        """The number of the next step, and when its line was there."""
        size = self.log.stat().st_size
        while self.log.stat().st_size == size:
            time.sleep(0.002)
        return self.log.read_bytes().count(b" steps: "), time.monotonic()


def pace(begin: tuple[int, float], end: tuple[int, float]) -> float:
    return (end[0] - begin[0]) / (end[1] - begin[1])


def settings(name: str) -> Config:
    """The demo's, for ever: nothing but steps."""
    demo = load_config(mini.DEMO)
    train = demo.train.model_copy(update={"epochs": 10_000, "decay": 0.0})
    sample = demo.sample.model_copy(update={"every_epochs": 0, "every_steps": 0})
    save = demo.save.model_copy(update={"every_epochs": 0, "state_every_epochs": 0})
    data = demo.data.model_copy(update={"repeats": 1000})
    return demo.model_copy(update={"name": name, "train": train, "sample": sample, "save": save, "data": data})


@contextmanager
def training(core: int) -> Iterator[RunFolder]:
    """The real trainer under its supervisor, on one core."""
    mine = os.sched_getaffinity(0)
    folder = create_run(settings("shown"))
    os.sched_setaffinity(0, {core})  # what is started from here stays there
    start_run(folder, care=Care(place=NONE))
    os.sched_setaffinity(0, mine)
    try:
        wait_for(lambda: folder.training_log.is_file() and folder.training_log.read_bytes().count(b" steps: ") > BEGUN)
        yield folder
    finally:
        record = read_record(folder)
        for each in [record and record.supervisor, *(member.identity for member in find_family(folder))]:
            if each:
                each.signal(signal.SIGKILL)


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("the training has not begun within 120 s")
        time.sleep(0.1)


def report(costs: Costs, visitors: int) -> None:
    took, cpu = sorted(costs.seconds), statistics.mean(costs.cpu_ms)
    late = sum(each > LATE for each in took)
    print(
        f"{visitors} visitors, {len(took):,} refreshes: answered within {1000 * statistics.median(took):.0f} ms (median), "
        f"{1000 * took[int(0.99 * len(took))]:.0f} ms (99 of 100), {1000 * took[-1]:.0f} ms (the most); {late} took over 1 s"
    )
    print(f"server CPU a refresh: {cpu:.1f} ms (goal: under 20), {statistics.mean(costs.kib):.1f} KiB sent")
    print(f"memory of the server after each turn: {', '.join(f'{each:.0f}' for each in costs.mib)} MiB")
    ratios = [busy / quiet for busy, quiet in zip(costs.pace[True], costs.pace[False], strict=True)]
    pairs = ", ".join(f"{each:.3f}" for each in ratios)
    busy, quiet = (statistics.mean(costs.pace[each]) for each in (True, False))
    print(
        f"pace of the training: {quiet:.2f} steps/s without visitors, {busy:.2f} with; in turns {pairs}; "
        f"median {statistics.median(ratios):.3f} (goal: over 0.98)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="of each turn")
    options = parser.parse_args()
    first, second, *others = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        own = {"OUTPUTS": f"{name}/outputs", "LOCKS": f"{name}/locks", "ACCESS_FILE": f"{name}/access.json"}
        os.environ |= {f"FLUXGYM_{key}": value for key, value in own.items()}
        os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        costs = Costs()
        with training(second) as folder, serving({}, core=first) as (port, pid):
            os.sched_setaffinity(0, set(others) or {first})
            _, token = make_link(folder, 1, "", PARTS)
            turn = Turn(pid, folder)
            for _ in range(options.turns):
                begin = turn.next_step()
                time.sleep(options.seconds)
                costs.pace[False].append(pace(begin, turn.next_step()))
                asyncio.run(visit(port, f"/s/{token}/", options.visitors, options.seconds, costs, turn))
    report(costs, options.visitors)


if __name__ == "__main__":
    main()
