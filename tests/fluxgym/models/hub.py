"""A Hub on the loopback for one model: what huggingface_hub asks for, answered from a folder; it can be made to misbehave."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789" * 4
TOKEN = "hf_somebodysToken123"


def blob_name(file: Path) -> str:
    """What the Hub calls a file's bytes: SHA-256 of large ones (here: weights), Git's SHA-1 of others."""
    data = file.read_bytes()
    if file.suffix == ".safetensors":
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


@dataclass
class Mood:
    """How it misbehaves."""

    is_gated: bool = False  # 403 for files without its token, as without an accepted licence
    is_private: bool = False  # 401 for everything without its token
    is_down: bool = False  # 503 for files
    cut_after: int | None = None  # bytes of a file's answer after which the connection breaks
    cuts: int = 0  # how often
    ignores_range: bool = False
    extra: int = 0  # bytes by which the list's sizes are wrong
    garbles: str = ""  # a file whose first byte is another one than the list's hash says
    waits: threading.Event | None = None  # a file's answer stops in its middle until this is set
    begun: threading.Event = field(default_factory=threading.Event)  # it has stopped there


class Hub(ThreadingHTTPServer):
    """Serves `folder` as the model `name`. `asked` are the files whose bytes were asked for, and from which byte on."""

    daemon_threads = True

    def __init__(self, name: str, folder: Path):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.name, self.folder, self.mood = name, folder, Mood()
        self.asked: list[tuple[str, int]] = []
        self.tokens: set[str] = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def files(self) -> dict[str, Path]:
        return {str(path.relative_to(self.folder)): path for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is its own."""

    def _answer(self, with_body: bool) -> None:
        hub, path = self.server, self.path.split("?")[0]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        hub.tokens.add(token)
        if path == "/api/whoami-v2":
            return self._json({"name": "somebody", "type": "user"}) if token == TOKEN else self._refuse(401, "")
        if hub.mood.is_private and token != TOKEN:
            return self._refuse(401, "RepoNotFound")
        if path.startswith(f"/api/models/{hub.name}/tree/"):
            return self._json(self._tell_tree())
        if path.startswith(f"/api/models/{hub.name}"):
            return self._json(self._tell_model())
        name = path.removeprefix(f"/{hub.name}/resolve/{COMMIT}/")
        if name not in hub.files():
            return self._refuse(404, "RepoNotFound")
        if hub.mood.is_gated and token != TOKEN:
            return self._refuse(403 if token else 401, "GatedRepo")
        if hub.mood.is_down and with_body:
            return self._refuse(503, "")
        return self._send_file(name, hub.files()[name], with_body)

    def _tell_model(self) -> dict[str, object]:
        siblings = []
        for name, file in self.server.files().items():
            size = file.stat().st_size + (self.server.mood.extra if file.suffix == ".safetensors" else 0)
            entry: dict[str, object] = {"rfilename": name, "size": size, "blobId": blob_name(file)}
            if file.suffix == ".safetensors":
                entry["lfs"] = {"sha256": blob_name(file), "size": size, "pointerSize": 134}
            siblings.append(entry)
        return {"id": self.server.name, "sha": COMMIT, "siblings": siblings, "private": False, "gated": False}

    def _tell_tree(self) -> list[dict[str, object]]:
        files = self.server.files().items()
        return [{"type": "file", "path": name, "size": file.stat().st_size, "oid": blob_name(file)} for name, file in files]

    def _send_file(self, name: str, file: Path, with_body: bool) -> None:
        mood, data = self.server.mood, file.read_bytes()
        if name == mood.garbles:
            data = bytes([data[0] ^ 1]) + data[1:]
        wanted = self.headers.get("Range", "")
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not mood.ignores_range else 0
        if with_body:
            self.server.asked.append((name, int(wanted.removeprefix("bytes=").rstrip("-") or 0)))
        if first >= len(data) > 0:
            return self._refuse(416, "")
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{blob_name(file)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        if with_body:
            self._send_body(data[first:])

    def _send_body(self, data: bytes) -> None:
        mood = self.server.mood
        if mood.cut_after is not None and len(data) > mood.cut_after and mood.cuts:
            mood.cuts -= 1
            self.wfile.write(data[: mood.cut_after])
            self.close_connection = True
        elif mood.waits is not None and len(data) > 100_000:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            mood.begun.set()
            mood.waits.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(data)

    def _json(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, code: int, reason: str) -> None:
        self.send_response(code)
        if reason:
            self.send_header("X-Error-Code", reason)
        self.send_header("Content-Length", "0")
        self.end_headers()
