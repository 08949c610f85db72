"""Downloads as jobs: stopped, killed and begun again they go on; what went wrong is told in a sentence."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from fluxgym.job.begin import JobIsActive, stop_job
from fluxgym.job.folder import DONE, FAILED, STOPPED, read_job
from fluxgym.models.download import bytes_to_download, find_download, main, start_download
from fluxgym.models.known import KNOWN
from fluxgym.models.verify import find_model_problems, is_whole
from fluxgym.run.folders import PROJECT
from tests.fluxgym.models.conftest import NAME
from tests.fluxgym.models.hub import TOKEN, Hub
from trainer.config import parse_config
from trainer.mini import MODEL

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def hub(monkeypatch):
    hub = Hub(NAME, MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.close()


def state_of(job):
    return read_job(job).state


def test_stopped_in_the_middle_it_goes_on_from_there(hub, wait_until, home):
    hub.mood.waits = threading.Event()
    job = start_download(NAME)
    with pytest.raises(JobIsActive):
        start_download(NAME)
    wait_until(lambda: hub.mood.begun.is_set() and any(path.stat().st_size for path in home.rglob("*.incomplete")))
    config = parse_config({"name": "x", "model": {"base": NAME}, "data": {"folder": "x"}}, "test")
    assert find_model_problems(config) == [f"{NAME} is being downloaded right now: start when it is here, or stop its download"]
    assert stop_job(job).state == STOPPED and find_model_problems(config) == []
    status = read_job(job)
    assert 0 < bytes_to_download(NAME) == status.said.total - status.said.done
    hub.mood.waits.set()
    hub.mood.waits = None
    job = start_download(NAME)
    wait_until(lambda: state_of(job) == DONE)
    assert any(first for _, first in hub.asked), "a file was gone on with"
    assert is_whole(NAME) and bytes_to_download(NAME) == 0
    assert read_job(job).said.done == read_job(job).said.total


def test_why_it_failed_is_told_and_holds_no_token(hub, wait_until, monkeypatch, outputs):
    hub.mood.is_gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_not_the_right_one")
    job = start_download(NAME)
    wait_until(lambda: state_of(job) == FAILED)
    assert "The account of the token here may not read somebody/flux-mini: accept its licence at" in read_job(job).message
    assert not any("hf_not_the" in path.read_text(errors="replace") for path in outputs.rglob("*") if path.is_file())
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    start_download(NAME)
    wait_until(lambda: state_of(find_download(NAME)) == DONE)


def test_without_a_connection(hub, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("127.0.0.1", "127.0.0.2"))
    assert main([NAME, "--patience", "0"]) == 1
    assert "The Hub could not be reached" in capsys.readouterr().out


def test_where_nothing_may_be_asked_it_says_so_at_once(hub):
    command, environment = [sys.executable, "-m", "fluxgym.models.download", NAME], {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (
        1,
        "HF_HUB_OFFLINE is set, so nothing is downloaded: start the server without it.\n",
    )


def test_it_runs_as_a_module(hub):
    command = [sys.executable, "-m", "fluxgym.models.download", NAME]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.endswith(
        "is here and whole.\n"
    )


def test_what_is_no_name_on_the_hub():
    for base in ("", "trainer/mini", "/etc", "one", "a/b/c"):
        with pytest.raises(ValueError, match="expected a name on the Hugging Face Hub"):
            start_download(base)


def test_how_much_is_to_come_before_the_hub_is_asked(home):
    first = KNOWN[0]
    assert bytes_to_download(first.base) == first.bytes
    blobs = home / "hub" / f"models--{first.base.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{'a' * 64}.incomplete").write_bytes(b"x" * 1000)
    (blobs / f"{'a' * 64}.0badcafe.incomplete").write_bytes(b"x" * 1000)  # of the Hub's library, which begins anew
    assert bytes_to_download(first.base) == first.bytes - 1000
    assert bytes_to_download("nobody/knows") is None and bytes_to_download(str(MODEL)) == 0


def test_killed_it_leaves_what_came(hub, wait_until):
    hub.mood.waits = threading.Event()
    process = subprocess.Popen([sys.executable, "-m", "fluxgym.models.download", NAME], cwd=PROJECT, stdout=subprocess.DEVNULL)
    wait_until(hub.mood.begun.is_set)
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.mood.waits.set()
    hub.mood.waits = None
    assert main([NAME]) == 0 and is_whole(NAME)
