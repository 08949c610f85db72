"""The models that are offered, and what is known of one by its files."""

import json

import pytest

from fluxgym.dataset.captioners import CHAT, FLORENCE, KNOWN, PLAIN, find_kind, is_here
from trainer.caption import MODEL


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "blip"}))
    return folder


def test_the_usual_one_is_the_first():
    assert KNOWN[0].model == MODEL
    assert len({known.model for known in KNOWN}) == len({known.label for known in KNOWN}) == len(KNOWN)


def test_how_a_model_is_asked(model):
    assert [find_kind(known.model) for known in KNOWN] == [known.kind for known in KNOWN]
    assert find_kind(str(model)) == PLAIN
    (model / "config.json").write_text(json.dumps({"model_type": "florence2"}))
    assert find_kind(str(model)) == FLORENCE
    for said in ("[1]", "", "[" * 100_000, json.dumps({"model_type": "qwen3_vl"})):
        (model / "config.json").write_text(said)
        assert find_kind(str(model)) == CHAT
    assert find_kind("nobody/knows") == CHAT


def test_one_is_here_with_its_weights(model, tmp_path, monkeypatch):
    assert not is_here(str(model))
    (model / "model.safetensors").touch()
    assert is_here(str(model))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    kept = tmp_path / "hub/models--owner--model"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("0" * 40)
    (kept / "snapshots").mkdir()
    assert not is_here("owner/model")
    model.rename(kept / "snapshots" / ("0" * 40))
    assert is_here("owner/model")


def test_names_that_are_none(hostile_name):
    if hostile_name not in ("", "/tmp/x"):
        assert not is_here(hostile_name) and find_kind(hostile_name) == CHAT
