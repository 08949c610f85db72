"""The cache: computed once, named after all it depends on, never taken for something else, mended when damaged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer import cache, mini
from trainer.cache import cache_latents, cache_texts
from trainer.config import Model
from trainer.data import load_image, make_sampler
from trainer.dataset import read_folder
from trainer.disk import write_whole
from trainer.families import find_base
from trainer.flux1 import Flux1, _ClipAndT5
from trainer.prepare import make_material, split_images

CPU = torch.device("cpu")


def replace_base(family, **changes):
    return Flux1(replace(family.base, **changes))


LENGTHS = 24, 32


@pytest.fixture
def encoded(monkeypatch):
    """The texts that were really encoded, in order."""
    texts, encode = [], _ClipAndT5.encode
    monkeypatch.setattr(_ClipAndT5, "encode", lambda self, text: texts.append(text) or encode(self, text))
    return texts


def test_texts_are_encoded_once(family, tmp_path, encoded):
    first = cache_texts(family, tmp_path, ["a cat", "a dog", "a cat"])
    assert encoded == ["a cat", "a dog"]
    assert first["a cat"]["txt"].shape == (24, 96) and first["a cat"]["pooled"].shape == (64,)
    again = cache_texts(family, tmp_path, ["a dog", "a cat"])
    assert len(encoded) == 2
    assert all(torch.equal(again[text][part], first[text][part]) for text in first for part in ("txt", "pooled"))


def test_whatever_a_text_depends_on_makes_it_anew(family, tmp_path, encoded):
    cache_texts(family, tmp_path, ["a cat"])
    longer = cache_texts(replace_base(family, max_sequence_length=32), tmp_path, ["a cat"])
    assert longer["a cat"]["txt"].shape == (32, 96)
    assert cache_texts(replace_base(family, dtype=torch.bfloat16), tmp_path, ["a cat"])["a cat"]["txt"].dtype == torch.bfloat16
    other = tmp_path / "other-model"
    shutil.copytree(mini.MODEL, other)
    weights = load_file(other / "text_encoder_2" / "model.safetensors")
    save_file({name: tensor * 1.5 for name, tensor in weights.items()}, other / "text_encoder_2" / "model.safetensors")
    changed = cache_texts(find_base(Model(base=str(other), max_sequence_length=24), CPU), tmp_path, ["a cat"])
    assert len(encoded) == 4
    assert not torch.equal(changed["a cat"]["txt"], cache_texts(family, tmp_path, ["a cat"])["a cat"]["txt"])


def test_an_image_with_other_content_under_the_same_name_is_another(family, tmp_path, make_folder):
    folder, vae = make_folder({"a.png": "x", "b.png": "x"}), family.load_vae()
    first = cache_latents(family, vae, tmp_path / "cache", read_folder(folder, ""), 64)
    (folder / "b.png").replace(folder / "a.png")
    items = read_folder(folder, "") if not (folder / "b.txt").unlink() else []
    second = cache_latents(family, vae, tmp_path / "cache", items, 64)
    latent = second[items[0].image_digest]
    assert torch.equal(latent, vae.encode(load_image(folder / "a.png", 64)))
    assert torch.equal(latent, first[items[0].image_digest])
    assert cache_latents(family, vae, tmp_path / "cache", items, 80)[items[0].image_digest].shape == (16, 10, 10)


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_damaged_files_are_made_again(family, tmp_path, encoded, damage, capfd):
    cache_texts(family, tmp_path, ["a cat", "a dog"])
    file = sorted((tmp_path / "text").glob("*.safetensors"))[0]
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    assert set(cache_texts(family, tmp_path, ["a cat", "a dog"])) == {"a cat", "a dog"}
    assert len(encoded) == 3 and f"WARNING {file} is damaged and is made again" in capfd.readouterr().out


def test_an_interruption_keeps_what_is_done(family, tmp_path, encoded, monkeypatch):
    class Interruption(Exception):
        pass

    def fail_at_third(path, data):
        if len(encoded) == 3:
            path.with_name(path.name + ".new").write_bytes(b"half")
            raise Interruption
        write_whole(path, data)

    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(cache, "write_whole", fail_at_third)
        cache_texts(family, tmp_path, ["a", "b", "c", "d"])
    encoded.clear()
    assert set(cache_texts(family, tmp_path, ["a", "b", "c", "d"])) == {"a", "b", "c", "d"}
    assert encoded == ["c", "d"]


def test_never_mismatched_over_shuffled_epochs(family, config, make_run, small):
    """Each image of each batch goes with its own caption, and both are what an encoding without a cache gives."""
    from trainer.dataset import read_dataset

    images = split_images(config, read_dataset(config))
    folder = make_run(small, cached=False)
    make_material(config, folder, family, images, [])
    material, _, vae = make_material(config, folder, family, images, [])  # from the files
    with_encoders = {}
    with family.text_encoder() as encoders:
        for item in images.own:
            with_encoders[item.path] = (vae.encode(load_image(item.path, 64)), encoders.encode(item.caption))
    sampler = make_sampler(config.data, len(images.own), len(images.ordinary), seed=1)
    for epoch in range(3):
        for position in range(sampler.steps_per_epoch):
            items = [images.own[number] for number in sampler.own(epoch, position)]
            batch = material.make_batch(items)
            for row, item in enumerate(items):
                caption = item.path.with_suffix(".txt").read_text().strip()
                latent, text = with_encoders[item.path]
                assert item.caption == caption
                assert torch.equal(batch.latents[row], latent)
                assert all(torch.equal(batch.conditions[name][row], text[name]) for name in ("txt", "pooled"))


def test_files_are_written_beside_and_renamed(family, tmp_path):
    cache_texts(family, tmp_path, ["a cat"])
    assert [path.suffix for path in Path(tmp_path / "text").iterdir()] == [".safetensors"]
