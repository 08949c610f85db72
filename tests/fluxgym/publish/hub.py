"""A Hub on the loopback that takes uploads as the real one does: repositories, LFS files, commits. It can refuse."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_mayWriteHere12345"
READS = "hf_mayReadAlone12345"


class Hub(ThreadingHTTPServer):
    """`held`: the files of each repository. `status`: what every request that would change something is answered with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.held: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}  # by SHA-256
        self.sent: list[str] = []  # SHA-256 of each large file that came
        self.status = 200
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is its own."""

    def do_GET(self) -> None:
        path, hub = self.path.split("?")[0], self.server
        if self._token() not in (TOKEN, READS):
            return self._say({"error": "who"}, 401)
        if path == "/api/whoami-v2":
            return self._say({"name": "somebody", "type": "user"})
        repository, _, listed = path.removeprefix("/api/models/").partition("/tree/")
        if not listed:
            return self._say({"id": repository, "private": hub.private.get(repository, True), "siblings": []})
        files = [{"type": "file", "path": name, "oid": "0" * 40, "size": 1} for name in hub.held.get(repository, {})]
        return self._say(files)

    def do_PUT(self) -> None:
        body = self._body()
        self.server.large[hashlib.sha256(body).hexdigest()] = body
        self.server.sent.append(hashlib.sha256(body).hexdigest())
        self._say({})

    def do_POST(self) -> None:
        path, body, hub = self.path.split("?")[0], self._body(), self.server
        if self._token() != TOKEN:
            return self._say({"error": "who"}, 403 if self._token() == READS else 401)
        if hub.status != 200:
            return self._say({"error": "trouble"}, hub.status)
        if path == "/api/repos/create":
            return self._make(json.loads(body))
        if path == "/api/validate-yaml":
            return self._say({"errors": [], "warnings": []})
        if "/preupload/" in path:
            return self._say({"files": [_tell_mode(file["path"]) for file in json.loads(body)["files"]]})
        if path.endswith("/info/lfs/objects/batch"):
            return self._say({"transfer": "basic", "objects": [self._tell(each) for each in json.loads(body)["objects"]]})
        return self._commit(path.removeprefix("/api/models/").split("/commit/")[0], body)

    def _make(self, said: dict) -> None:
        hub, name = self.server, f"{said.get('organization') or 'somebody'}/{said['name']}"
        if name in hub.held:
            return self._say({"error": "You already created this model repo"}, 409)
        hub.held[name] = {".gitattributes": b""}
        hub.private[name] = bool(said.get("private") or said.get("visibility") == "private")
        return self._say({"url": f"{hub.url}/{name}"})

    def _tell(self, wanted: dict) -> dict:
        said = {"oid": wanted["oid"], "size": wanted["size"]}
        is_here = wanted["oid"] in self.server.large
        return said if is_here else {**said, "actions": {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}}

    def _commit(self, repository: str, body: bytes) -> None:
        held = self.server.held[repository]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                held[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                held[value["path"]] = self.server.large[value["oid"]]
        self._say({"commitUrl": f"{self.server.url}/{repository}/commit/{'0' * 40}", "commitOid": "0" * 40, "hookOutput": ""})

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return parts
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _say(self, said: object, status: int = 200) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _tell_mode(name: str) -> dict:
    mode = "lfs" if name.endswith((".safetensors", ".png")) else "regular"
    return {"path": name, "uploadMode": mode, "shouldIgnore": False}
