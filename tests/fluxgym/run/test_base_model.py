"""A base model that cannot be meant is refused before anything is written; a damaged file of the cache is forgotten."""

import os
import subprocess
import sys

import pytest

from fluxgym.run.base_model import NotInCache, find_base_problem, find_model_file, forget_damaged, hub_cache
from trainer.config import load_config
from trainer.mini import DEMO


def test_what_can_be_meant(tmp_path):
    for base in (str(tmp_path), "black-forest-labs/FLUX.1-dev", load_config(DEMO).model.base):
        assert find_base_problem(base) == ""


@pytest.mark.parametrize(
    "base",
    [
        "flux",
        "/no/such/folder",
        "./models/flux",
        "a/b/c",
        "owner/",
        "~/no-such-model",
        "a b/c",
        "~nobody/x",
        "a\0b",
    ],
)
def test_what_is_not_there(base):
    assert f"got {base!r}, but /" in find_base_problem(base)
    assert "is not there; expected a folder, a .safetensors file, or a name on the Hugging Face Hub" in find_base_problem(base)


@pytest.mark.parametrize("base", ["a" * 5000, f"{'a' * 300}/b", "/" + "a" * 300])
def test_what_can_be_nowhere_is_not_repeated(base):
    assert find_base_problem(base).startswith(f"got a path of {len(base)} characters, which is not there; expected")


def test_a_file(tmp_path):
    for name in ("flux1-dev.safetensors", "flux1-dev.sft", "flux1-dev.gguf"):
        (tmp_path / name).touch()
    assert (
        find_base_problem(str(tmp_path / "flux1-dev.safetensors")) == find_base_problem(str(tmp_path / "flux1-dev.sft")) == ""
    )
    assert "is neither a folder nor a .safetensors file" in find_base_problem(str(tmp_path / "flux1-dev.gguf"))


# ---- the Hub's cache -------------------------------------------------------------------------------------------------
COMMIT = "0ef5fff789c832c5c7f4e127f94c8b54bbcced44"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def download(cache, name="vae/x.safetensors", text="half of it"):
    """A file as the Hub's library keeps it: a blob, and a link to it."""
    model = cache / "models--a--b"
    link, blob = model / "snapshots" / COMMIT / name, model / "blobs" / f"blob of {name.replace('/', ' ')}"
    for folder in (link.parent, blob.parent, model / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    (model / "refs" / "main").write_text(COMMIT)
    blob.write_text(text)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link, blob


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/h"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"}, "/old"),
        ({"HF_HOME": "~/h"}, "/home/cat/h/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": ""}, "/home/cat/.cache/huggingface/hub"),
        ({"HF_HOME": "$HOME/h"}, "/home/cat/h/hub"),
    ],
)
def test_where_the_cache_is(monkeypatch, variables, expected):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/cat"} | variables).items():
        monkeypatch.setenv(name, value)
    assert str(hub_cache()) == expected


def test_the_librarys_own_idea_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    program = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.strip() == str(hub_cache())


def test_a_file_is_found_by_the_models_name(cache):
    link, _ = download(cache)
    assert find_model_file("a/b", "vae/x.safetensors") == link
    assert find_model_file("a/b", "vae/y.safetensors") is None
    assert find_model_file("a/c", "vae/x.safetensors") is None
    assert find_model_file(str(link.parent.parent), "vae/x.safetensors") == link
    assert find_model_file(str(link.parent), "../../../refs/main") is None


def test_a_damaged_file_is_forgotten_with_what_it_links_to(cache):
    link, blob = download(cache)
    other, whole = download(cache, "vae/config.json")
    assert forget_damaged(link)
    assert not os.path.lexists(link)
    assert not blob.exists()
    assert other.exists() and whole.exists()
    assert not forget_damaged(link), "it is gone already"


def test_a_link_to_nothing_and_a_copy_are_forgotten_too(cache):
    link, blob = download(cache)
    blob.unlink()
    assert forget_damaged(link)
    assert not os.path.lexists(link)
    link.write_text("a file system without links")
    assert forget_damaged(link)
    assert not link.exists()


def test_a_persons_own_file_is_left_alone(cache, tmp_path):
    own = tmp_path / "models" / "flux" / "vae" / "x.safetensors"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    link, blob = download(cache)
    link.unlink()
    link.symlink_to(own)
    crooked = link.parent / ".." / ".." / ".." / ".." / ".." / "models" / "flux" / "vae" / "x.safetensors"
    for path, said in (
        (own, "which lies elsewhere"),
        (link, f"which leads to {own}"),
        (blob, "which is no file of a downloaded model"),
        (link.parent, "which is a folder"),
        (crooked, "which lies elsewhere"),
        (cache, "which lies elsewhere"),
    ):
        with pytest.raises(NotInCache, match=said) as caught:
            forget_damaged(path)
        assert f"expected a file of the Hub's cache, {cache}: download it again by hand" in str(caught.value)
    assert own.read_text() == "mine"
    assert link.is_symlink() and blob.exists()
