"""Where a captioning model comes from: a folder, or a Hub, here one on the loopback that refuses in each of its ways."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.trainer.hub import Hub
from trainer.captioner_files import CaptionerError, find_model

ROOT = Path(__file__).parents[2]
FIND = """
import sys
from trainer.captioner_files import find_model
try:
    print("found", find_model(sys.argv[1], lambda said: print(said, flush=True)))
except ValueError as error:
    print(error)
"""


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": torch.zeros(2, 2)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def find(tmp_path):
    """find(name, endpoint): what a process says that looks for a model on this Hub; each test has a cache of its own."""

    def run(name, endpoint):
        told = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_ETAG_TIMEOUT": "5", "PYTHONPATH": str(ROOT)}
        environment = {**os.environ, **told}
        for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_OFFLINE"):
            environment.pop(proxy, None)
        done = subprocess.run(
            [sys.executable, "-c", FIND, name], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    return run


@pytest.fixture
def refuse():
    """refuse(status, code): the address of a Hub that answers everything so."""
    servers = []

    def start(status, code):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for key, value in {"X-Error-Code": code, "X-Error-Message": "no", "Content-Length": "0"}.items():
                    self.send_header(key, value)
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_):
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(name):
    with pytest.raises(CaptionerError) as caught:
        find_model(str(name), lambda _: None)
    return str(caught.value)


def test_a_folder_is_looked_at_before_it_is_loaded(model):
    assert find_model(str(model), lambda _: None) == model
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert "model.safetensors: got" in refused(model) and "download it again" in refused(model)
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "one.safetensors"}}))
    assert "one.safetensors: cannot be read" in refused(model)
    (model / "model.safetensors.index.json").write_text("[")
    assert "the index of its weights cannot be read" in refused(model)
    (model / "model.safetensors.index.json").unlink()
    weights.rename(model / "pytorch_model.bin")
    assert "they can run programs" in refused(model)
    (model / "config.json").unlink()
    assert "without config.json" in refused(model)


def test_names_that_are_none(hostile_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "cannot write captions" in refused(hostile_name)


def test_one_that_brings_code_has_a_twin_that_does_not():
    assert "take florence-community/Florence-2-large" in refused("microsoft/Florence-2-large")


def test_it_is_downloaded_once_and_there_without_a_network(model, find):
    (model / "onnx").mkdir()
    for extra in ("onnx/model.json", "pytorch_model.bin", "modeling_own.py"):
        (model / extra).write_text("{}")
    hub = Hub("owner/model", model)
    try:
        said = find("owner/model", hub.url)
    finally:
        hub.shutdown()
        hub.server_close()
    assert "Downloading owner/model: " in said and "found " in said
    assert sorted(hub.fetched) == ["config.json", "model.safetensors"]
    assert "found " in find("owner/model", hub.url), "it is on this machine"
    assert "try again when there is a network" in find("owner/other", hub.url)


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (401, "RepoNotFound", "the Hub knows no such model; check its name"),
        (404, "RepoNotFound", "the Hub knows no such model; check its name"),
        (403, "GatedRepo", "accept it at https://huggingface.co/owner/model, then store a token"),
        (500, "", "could not be downloaded; try again"),
    ],
)
def test_why_the_hub_refuses_is_said(refuse, find, status, code, cure):
    assert cure in find("owner/model", refuse(status, code))
