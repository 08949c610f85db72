"""Which base models are on this machine."""

import shutil

import pytest

from fluxgym.models.shelf import (
    FILE,
    FOLDER,
    HUB,
    add_place,
    count_pieces,
    list_models,
    list_places,
    models_root,
    remove_place,
)
from fluxgym.models.verify import is_whole
from tests.fluxgym.models.conftest import NAME
from tests.fluxgym.models.files import make_comfy
from tests.fluxgym.models.hub import COMMIT
from trainer.mini import MODEL


def find_shelved(base):
    return next((each for each in list_models() if each.base == base), None)


@pytest.fixture(autouse=True)
def project(outputs, tmp_path, monkeypatch):
    """No models of whoever runs the tests."""
    monkeypatch.setattr("fluxgym.models.shelf.models_root", lambda: tmp_path / "models")


def test_nothing_is_here():
    assert list_models() == [] and list_places() == [] and find_shelved(NAME) is None
    assert models_root().name == "models"


def test_what_the_hub_s_library_has(cached):
    (model,) = list_models()
    assert (model.base, model.family, model.kind, model.problems) == (NAME, "FLUX.1", HUB, ())
    assert model.size > 11e6 and find_shelved(NAME) == model
    (cached / "vae" / "config.json").unlink()
    assert "config.json is missing" in list_models()[0].problems[0] and not is_whole(NAME)


def test_folders_in_diffusers_format(tmp_path):
    shutil.copytree(MODEL, tmp_path / "models" / "mine" / "mini")
    (model,) = list_models()
    assert (model.base, model.title, model.kind) == (str(tmp_path / "models" / "mine" / "mini"), "mini", FOLDER)
    assert count_pieces(tmp_path / "models") == {"model": 1}


def test_comfyui_s_files_are_put_together(tmp_path):
    root = make_comfy(tmp_path / "ComfyUI" / "models")
    assert add_place(str(root)) == root and list_places() == [root]
    klein, dev = sorted(list_models(), key=lambda model: model.title)
    assert (dev.title, dev.kind, dev.problems) == ("flux1-dev.safetensors", FILE, ())
    assert dev.parts == {
        "vae": str(root / "vae" / "ae.safetensors"),
        "clip": str(root / "text_encoders" / "clip_l.safetensors"),
        "t5": str(root / "text_encoders" / "t5xxl_fp16.safetensors"),
        "tokenizers": "black-forest-labs/FLUX.1-dev",
    }
    assert klein.parts.keys() == {"vae", "qwen", "tokenizers"} and klein.family == "FLUX.2 klein"
    (root / "vae" / "ae.safetensors").unlink()
    dev = find_shelved(str(root / "diffusion_models" / "flux1-dev.safetensors"))
    assert dev.problems == ("there is no vae for it: add the folder that has it",)
    assert count_pieces(root) == {"transformer": 2, "vae": 1, "clip": 1, "t5": 2, "qwen": 1}


def test_tokenizers_that_were_downloaded_before_need_no_setting(tmp_path, home):
    root = make_comfy(tmp_path / "ComfyUI")
    add_place(str(root))
    kept = home / "hub" / "models--black-forest-labs--FLUX.1-schnell"
    for part in ("tokenizer", "tokenizer_2"):
        shutil.copytree(MODEL / part, kept / "snapshots" / COMMIT / part)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(COMMIT)
    dev = find_shelved(str(root / "diffusion_models" / "flux1-dev.safetensors"))
    assert "tokenizers" not in dev.parts


def test_places_are_kept_and_forgotten(tmp_path, outputs):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        add_place(f" {place}/ ")
    add_place(str(places[0]))
    assert list_places() == [places[1], places[0]]
    places[1].rmdir()
    assert list_models() == [] and places[1] in list_places(), "one that is gone may come back"
    remove_place(places[0])
    assert list_places() == [places[1]] and places[0].is_dir()
    (outputs / ".models.json").write_text("{")
    assert list_places() == []


@pytest.mark.parametrize("text", ["", "  ", "/", "/no/such/folder", "a\0b", "README.md", "../" * 50])
def test_what_is_no_place(text):
    with pytest.raises(ValueError, match="expected"):
        add_place(text)
    assert list_places() == []
