"""A Hub on the loopback for one model: what huggingface_hub asks for, answered from a folder."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789" * 4


class Hub(ThreadingHTTPServer):
    """Serves `folder` as the model `name`. `fetched` are the files whose bytes were asked for."""

    daemon_threads = True

    def __init__(self, name: str, folder: Path):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.name, self.folder = name, folder
        self.fetched: list[str] = []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def files(self) -> dict[str, Path]:
        return {str(path.relative_to(self.folder)): path for path in sorted(self.folder.rglob("*")) if path.is_file()}


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is the trainer's."""

    def _answer(self, with_body: bool) -> None:
        hub, path = self.server, self.path.split("?")[0]
        files = hub.files()
        if path.startswith(f"/api/models/{hub.name}/tree/"):
            entries = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": _digest(file)}
                for name, file in files.items()
            ]
            self._send(json.dumps(entries).encode(), "application/json", {})
        elif path.startswith(f"/api/models/{hub.name}"):
            siblings = [{"rfilename": name} for name in files]
            self._send(json.dumps({"id": hub.name, "sha": COMMIT, "siblings": siblings}).encode(), "application/json", {})
        elif (name := path.removeprefix(f"/{hub.name}/resolve/{COMMIT}/")) in files:
            if with_body:
                hub.fetched.append(name)
            headers = {"ETag": f'"{_digest(files[name])}"', "X-Repo-Commit": COMMIT}
            self._send(files[name].read_bytes(), "application/octet-stream", headers, with_body)
        else:
            self.send_error(404)

    def _send(self, body: bytes, kind: str, headers: dict[str, str], with_body: bool = True) -> None:
        self.send_response(200)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
