"""What 150 photos of 3 MB cost the server that takes them into a data set. Run: `python -m tests.benchmarks.uploads`.

They are sent as the drop zone sends them, four at a time, each a request whose body is the file. Printed are how much the
server's memory grew at most, against what was sent, and how long it took against writing the same files alone; the server
looks at each image too."""

import argparse
import http.client
import io
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlencode

from PIL import Image

from fluxgym.run.identity import read_stat

ROOT = Path(__file__).resolve().parents[2]
KEY = "the key of this benchmark"
SIDE_BY_SIDE = 4  # requests at a time
LOOK = 0.02  # s between two looks at the server's memory
MIB = 2**20


def make_photo(number: int, size: int) -> bytes:
    """A JPEG of 12 megapixels and so many bytes."""
    noise = Image.frombytes("RGB", (16, 12), random.Random(number).randbytes(16 * 12 * 3))
    out = io.BytesIO()
    noise.resize((4000, 3000), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue().ljust(size, b"\0")


@contextmanager
def serve(folder: Path) -> Iterator[tuple[int, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = os.environ | {"FLUXGYM_OUTPUTS": str(folder / "outputs"), "FLUXGYM_LOCKS": str(folder / "locks")}
    environment |= {"FLUXGYM_ACCESS_FILE": str(folder / "access.json"), "FLUXGYM_KEY": KEY}
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "dashboard.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _is_up(port):
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _is_up(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200
    except OSError:
        return False


def send(port: int, place: Path, name: str, data: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    asked = urlencode({"place": str(place), "name": name})
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/octet-stream"}
    connection.request("POST", f"/sets/arrive?{asked}", data, headers)
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, told
    connection.close()


def write_alone(folder: Path, photos: list[bytes]) -> float:
    """Seconds to write the photos, each to the disk itself, in one process."""
    begun = time.perf_counter()
    for number, data in enumerate(photos):
        path = folder / f"{number}.jpg"
        with path.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=150)
    parser.add_argument("--mb", type=float, default=3.0, help="of each")
    options = parser.parse_args()
    photos = [make_photo(number, round(options.mb * 1e6)) for number in range(options.photos)]
    sent = sum(map(len, photos))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = folder / "datasets" / "cat"
        (folder / "outputs").mkdir()
        (folder / "alone").mkdir()
        with serve(folder) as (port, pid), watching(pid) as seen:
            begun = time.perf_counter()
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                list(pool.map(lambda each: send(port, place, f"{each[0]}.jpg", each[1]), enumerate(photos)))
            took = time.perf_counter() - begun
        there = len(list(place.glob("*.jpg")))
        assert there == len(photos), f"{there} of {len(photos)} arrived"
        alone = write_alone(folder / "alone", photos)
    idle, most = seen[0], max(seen)
    print(f"{len(photos)} photos, {sent / MIB:,.0f} MiB: there after {took:.1f} s, {took / alone:.2f} times as long as alone")
    print(
        f"server: {idle / MIB:.0f} MiB idle, {most / MIB:.0f} MiB at most: grew by {(most - idle) / sent:.1%} of what was sent"
    )


@contextmanager
def watching(pid: int) -> Iterator[list[int]]:
    """The memory of a process, in bytes, again and again."""
    seen, is_done = [_read_memory(pid)], Event()

    def watch() -> None:
        while not is_done.wait(LOOK):
            seen.append(_read_memory(pid))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_done.set()
        thread.join()


def _read_memory(pid: int) -> int:
    stat = read_stat(pid)
    return stat.memory if stat else 0


if __name__ == "__main__":
    main()
