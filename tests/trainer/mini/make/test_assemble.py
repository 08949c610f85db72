"""Assembling: a plain diffusers folder with nobody's paths in it, that loads and draws without any argument."""

import pytest
from diffusers import FluxPipeline

from trainer.mini import MODEL
from trainer.mini.make import assemble


def test_the_folder_is_one_that_diffusers_loads(with_distilled, tmp_path):
    work, _ = with_distilled
    folder = tmp_path / "flux-mini"
    assemble.assemble(work, folder)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {path.relative_to(MODEL).as_posix() for path in MODEL.rglob("*") if path.is_file()}
    for path in folder.rglob("*.json"):
        assert str(work.path) not in path.read_text(), path
    pipe = FluxPipeline.from_pretrained(folder, local_files_only=True)
    picture = pipe("a toy", height=96, width=96, num_inference_steps=1, max_sequence_length=24).images[0]
    assert picture.size == (96, 96)


def test_what_is_too_large_is_not_left_behind(with_distilled, tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "SIZE_LIMIT", 1_000_000)
    with pytest.raises(ValueError, match=r"got 11,\d+,\d+ bytes, expected at most 1,000,000"):
        assemble.assemble(with_distilled[0], tmp_path / "flux-mini")
    assert not (tmp_path / "flux-mini").exists()
