"""The verb `models`: what is here, downloads, checks, places, the token."""

import io

import pytest

from fluxgym.models.shelf import list_places
from fluxgym.models.token import find_token
from fluxgym.run.base_model import find_model_folder
from fluxgym.terminal.main import main
from tests.fluxgym.models.files import make_comfy
from tests.fluxgym.models.hub import TOKEN, Hub
from tests.fluxgym.models.machine import make_empty
from trainer.mini import MODEL

NAME, VAE = "somebody/flux-mini", "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def machine(outputs, tmp_path, monkeypatch):
    make_empty(monkeypatch, tmp_path)


@pytest.fixture
def hub(monkeypatch):
    hub = Hub(NAME, MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.close()


def test_the_list(capsys, tmp_path):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("  ")[0] == "FLUX.1-dev" and "about 31.4 GiB to download" in lines[1] and lines[1].endswith("gated")
    assert lines[-1].startswith("flux-mini") and "On this machine" in lines[-1]


def test_a_download_a_check_and_a_repair(hub, capsys):
    assert main(["models", "download", NAME]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{NAME} is here and whole."
    assert main(["models", "check", NAME]) == 0
    assert "is what the Hub had given." in capsys.readouterr().out
    blob = (find_model_folder(NAME) / VAE).resolve()
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert main(["models", "check", NAME]) == 1
    assert "download it again" in capsys.readouterr().out
    assert main(["models", "download", NAME, "--repair"]) == 0 and blob.read_bytes() == whole


def test_a_download_that_fails_says_why(hub, capsys):
    hub.mood.is_gated = True
    assert main(["models", "download", NAME]) == 1
    assert "is given out to those only who accepted its licence" in capsys.readouterr().err
    assert main(["models", "download", "flux"]) == 2
    assert main(["models", "check", "flux.1-dev"]) == 2 and "is not on this machine" in capsys.readouterr().err


def test_places(capsys, tmp_path):
    root = make_comfy(tmp_path / "comfy")
    assert main(["models", "add", str(root)]) == 0
    assert "2 base models and 8 single files of FLUX. Nothing in it is moved" in capsys.readouterr().out
    assert main(["models"]) == 0 and "flux1-dev.safetensors" in capsys.readouterr().out
    assert main(["models", "remove", "/nowhere"]) == 2 and str(root) in capsys.readouterr().err
    assert main(["models", "remove", f"{root}/"]) == 0 and list_places() == []


def test_the_token(hub, capsys, monkeypatch):
    assert main(["models", "token", "--whose"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("hf_a_wrong_one\n"))
    assert main(["models", "token"]) == 2 and find_token() is None
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert main(["models", "token"]) == 0 and find_token().secret == TOKEN
    assert main(["models", "token", "--whose"]) == 0
    said = capsys.readouterr()
    assert "It is somebody's." in said.out and "is somebody's." in said.out and TOKEN not in said.out + said.err
    assert main(["models", "token", "--forget"]) == 0 and find_token() is None
    assert main(["models", "token", "--forget"]) == 0 and "None was stored" in capsys.readouterr().out
