"""Notification services that are real HTTP servers on the loopback: one that takes messages, some that misbehave."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fluxgym.run.record import Verdict, begin_attempt, write_record
from trainer.folder import RunFolder

SECRET = "s3cr3tpassw0rd"


class Service(ThreadingHTTPServer):
    """Keeps what it is sent; `answer` is an HTTP code, or None for a service that hangs until the test ends."""

    daemon_threads = True

    def __init__(self, answer: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.got, self.is_over = answer, [], threading.Event()
        self.url = f"json://owner:{SECRET}@127.0.0.1:{self.server_port}/{SECRET}/path"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Service

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.server.answer is None:
            self.server.is_over.wait(60)
            return
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        """Quiet."""


@pytest.fixture
def start_service() -> Iterator[Callable[..., Service]]:
    """start_service(answer): a service on the loopback."""
    started = []

    def start(answer: int | None = 200) -> Service:
        started.append(Service(answer))
        threading.Thread(target=started[-1].serve_forever, args=(0.01,), daemon=True).start()
        return started[-1]

    yield start
    for service in started:
        service.is_over.set()
        service.shutdown()
        service.server_close()


@pytest.fixture
def refused_url() -> str:
    """The URL of a service that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"json://owner:{SECRET}@127.0.0.1:{free.getsockname()[1]}/{SECRET}"


@pytest.fixture
def services_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's services are kept."""
    path = tmp_path / "settings" / "notify.json"
    monkeypatch.setenv("FLUXGYM_NOTIFY_FILE", str(path))
    monkeypatch.delenv("FLUXGYM_NOTIFY", raising=False)
    return path


@pytest.fixture
def failed_run(tmp_path: Path) -> RunFolder:
    """A run that failed, with a log and samples."""
    folder = RunFolder(tmp_path / "outputs" / "small")
    folder.samples.mkdir(parents=True)
    lines = [f"2026-11-24 10:00:00 steps:  {n}%|#| {n}/20 [00:01<00:01, 1.00s/it, loss=0.5, lr=2e-04]" for n in range(1, 13)]
    folder.training_log.write_text("\n".join(["2026-11-24 10:00:00 Epoch 1/1", *lines, "it broke " + "x" * 500]) + "\n")
    record = begin_attempt(folder, None, [])
    verdict = Verdict("failed", "The training ended with exit code 1 at step 12 of 20.", "other", step=12, total_steps=20)
    write_record(folder, record.to("failed", verdict=verdict, ended=record.since + 1, exit_code=1))
    for name, data in (("000002_00_20261124100000_42", b"old"), ("000004_00_20261124100100_42", b"new")):
        (folder.samples / f"small_{name}.png").write_bytes(data)
    return folder
