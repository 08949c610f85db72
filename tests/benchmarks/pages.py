"""What a refresh of the Run page costs the server, at 1,000 and at 1,000,000 steps. Run: `python -m tests.benchmarks.pages`.

A client speaks to a real server as a browser does, over its websocket: it opens the page, then asks for the refreshing part
again and again, while the log grows by a line each time. Counted is the CPU time of the server's process."""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from fluxgym.run import lock
from fluxgym.run.identity import Identity
from fluxgym.run.record import begin_attempt, write_record
from trainer.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
STEP = "2026-11-24 {time} steps: {percent:3d}%|#####     | {step}/{steps} [00:00<00:27, 11.00it/s, "
STEP += "loss={loss:.4f}, avr_loss={loss:.4f}, lr=2e-04]\n"
PER_EPOCH = 1000  # steps; the number of epochs grows with the run, as it does in life


@dataclass
class Cost:
    """Of one refresh."""

    cpu_ms: float
    kib: float


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


async def ask(server: ClientConnection, name: str, fragment: str = "") -> tuple[list[str], int]:
    """Asks for a run of the page, or of one part of it. The parts that it has, and the bytes of the answer."""
    message = BackMsg()
    message.rerun_script.query_string = f"run={name}"
    message.rerun_script.page_name = "run"
    message.rerun_script.fragment_id = fragment
    await server.send(message.SerializeToString())
    parts, size = [], 0
    while True:
        data = await asyncio.wait_for(server.recv(), 120)
        answer = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
        size += len(data)
        kind = answer.WhichOneof("type")
        if kind == "delta" and answer.delta.fragment_id:
            parts.append(answer.delta.fragment_id)
        if kind == "delta" and answer.delta.new_element.WhichOneof("type") == "exception":
            raise RuntimeError(answer.delta.new_element.exception.message)
        if kind == "script_finished":
            return parts, size


async def measure(port: int, process: psutil.Process, folder: RunFolder, refreshes: int) -> Cost:
    steps = folder.training_log.read_bytes().count(b"steps: ")
    async with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as server:  # type: ignore[list-item]
        parts, _ = await ask(server, folder.name)
        live = max(set(parts), key=parts.count)
        for _ in range(5):  # warm
            await ask(server, folder.name, live)
        times, sizes = [], []
        for number in range(refreshes):
            with folder.training_log.open("a", encoding="utf-8") as log:
                log.write(line(steps + number + 1, steps + PER_EPOCH))
            before = process.cpu_times()
            parts, size = await ask(server, folder.name, live)
            await asyncio.sleep(0.05)  # what the server does after the answer, its garbage collection, is counted too
            after = process.cpu_times()
            times.append(after.user + after.system - before.user - before.system)
            sizes.append(size)
            assert live in parts, "the refresh drew nothing"
    return Cost(1000 * statistics.mean(times), statistics.mean(sizes) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs=2, default=[1000, 1_000_000])
    parser.add_argument("--refreshes", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        outputs = Path(name) / "outputs"
        folders = [RunFolder(outputs / f"run-{steps}") for steps in options.steps]
        for folder, steps in zip(folders, options.steps, strict=True):
            write_run(folder, steps)
        command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.headless", "true"]
        server = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "FLUXGYM_OUTPUTS": str(outputs)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_up(port)
            with lock.hold(folders[0].lock, 1), lock.hold(folders[1].lock, 1):
                process = psutil.Process(server.pid)
                costs = [asyncio.run(measure(port, process, folder, options.refreshes)) for folder in folders]
        finally:
            server.kill()
            server.wait()
    for steps, cost in zip(options.steps, costs, strict=True):
        print(f"a refresh of the Run page at {steps:,} steps: {cost.cpu_ms:.1f} ms of server CPU, {cost.kib:.0f} KiB")
    print(f"ratio {costs[1].cpu_ms / costs[0].cpu_ms:.2f} (goal: within 1.2, under 30 ms)")


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
