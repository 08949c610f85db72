"""The cache: computed once, named after all it depends on, never taken for something else, mended when damaged."""

import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from trainer import cache, mini
from trainer.cache import Crew, Drawer, cache_latents, cache_texts
from trainer.config import Model, parse_config
from trainer.data import load_image
from trainer.dataset import read_dataset, read_folder
from trainer.disk import write_whole
from trainer.families import find_base
from trainer.feed import View
from trainer.flow import Batch, compute_loss, draw_noise
from trainer.flux1 import Flux1, _ClipAndT5
from trainer.listing import DatasetError
from trainer.material import make_material, split_images
from trainer.model import ModelError
from trainer.storage import NoRoom

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent.parent


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


def views_of(folder, size=(64, 64), flipped=False):
    return [View(item, size, item.caption, flipped) for item in read_folder(folder, "")]


def test_an_image_with_other_content_under_the_same_name_is_another(family, tmp_path, make_folder):
    folder, vae = make_folder({"a.png": "x", "b.png": "x"}), family.load_vae()
    first = cache_latents(family, vae, tmp_path / "cache", views_of(folder))
    (folder / "b.png").replace(folder / "a.png")
    (folder / "b.txt").unlink()
    (view,) = views_of(folder)
    key = (view.item.image_digest, (64, 64)), False
    latent = cache_latents(family, vae, tmp_path / "cache", [view])[key]
    assert torch.equal(latent, vae.encode(load_image(view.item, (64, 64))))
    assert torch.equal(latent, first[key])


def test_each_size_and_mirror_image_has_a_latent_of_its_own(family, tmp_path, make_folder):
    folder, vae = make_folder({"a.png": "x"}), family.load_vae()
    Image.effect_noise((80, 64), 80).save(folder / "a.png")
    views = [*views_of(folder), *views_of(folder, flipped=True), *views_of(folder, (80, 48))]
    for found in (cache_latents(family, vae, tmp_path / "cache", views) for _ in range(2)):
        shapes = {(size, flipped): latent.shape for ((_, size), flipped), latent in found.items()}
        assert shapes == {((64, 64), False): (16, 8, 8), ((64, 64), True): (16, 8, 8), ((80, 48), False): (16, 6, 10)}
        for view in views:
            latent = found[(view.item.image_digest, view.size), view.flipped]
            assert torch.equal(latent, vae.encode(load_image(view.item, view.size, view.flipped)))
    assert len(list((tmp_path / "cache" / "latents").iterdir())) == 3


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

    def fail_at_third(path, data, mark):
        if len(encoded) == 3:
            path.with_name(f"{path.name}{mark}.new").write_bytes(b"half")
            raise Interruption
        write_whole(path, data, mark)

    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(cache, "write_whole", fail_at_third)
        cache_texts(family, tmp_path, ["a", "b", "c", "d"])
    encoded.clear()
    assert set(cache_texts(family, tmp_path, ["a", "b", "c", "d"])) == {"a", "b", "c", "d"}
    assert encoded == ["c", "d"]


def run_together(count, work):
    """work(crew) in so many threads, as if in so many processes; what each returned."""
    barrier, done = threading.Barrier(count, timeout=60), {}
    threads = [
        threading.Thread(target=lambda index=index: done.update({index: work(Crew(index, count, barrier.wait))}))
        for index in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [done[index] for index in range(count)]


def test_all_processes_take_their_share_and_have_the_whole(tmp_path):
    keys, made = dict.fromkeys("abcde", 1.0), []

    def compute(missing):
        for key in missing:
            made.append(key)
            yield {"x": torch.tensor([ord(key)])}

    drawer = Drawer(tmp_path / "things", ("x",))
    drawer.fill({"b": 1.0}, compute, Crew())
    first, second = run_together(2, lambda crew: drawer.fill(keys, compute, crew))
    assert sorted(made) == list(keys), "each once"
    assert list(first) == list(keys) == list(second)
    assert all(int(found[key]["x"]) == ord(key) for found in (first, second) for key in keys)


def test_what_is_lost_while_others_work_is_made_again(family, tmp_path, encoded):
    def wait():
        for file in (tmp_path / "text").iterdir():
            file.unlink()

    assert set(cache_texts(family, tmp_path, ["a", "b"], Crew(0, 2, wait))) == {"a", "b"}
    assert encoded == ["a", "a", "b"]


def test_what_was_read_stays_when_its_file_is_cleared_away(family, tmp_path):
    cache_texts(family, tmp_path, ["a"])
    found = cache_texts(family, tmp_path, ["a"])["a"]["txt"]
    (file,) = (tmp_path / "text").iterdir()
    expected = load_file(file)["txt"].clone()
    file.unlink()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("part", ["vae", "text_encoder_2"])
def test_numbers_that_are_not_finite_are_told_with_the_file(family, tmp_path, make_folder, part):
    other = tmp_path / "other-model"
    shutil.copytree(mini.MODEL, other)
    file = next((other / part).glob("*.safetensors"))
    weights = load_file(file)
    weights[next(name for name in weights if "encoder" in name and name.endswith("weight"))].fill_(float("nan"))
    save_file(weights, file)
    family = find_base(Model(base=str(other), max_sequence_length=24), CPU)
    if part == "vae":
        views = views_of(make_folder({"my cat.png": "x"}))
        with pytest.raises(
            DatasetError, match=r"my cat\.png: got a latent with numbers that are not finite, .* the VAE of "
        ) as told:
            cache_latents(family, family.load_vae(), tmp_path / "cache", views)
        assert str(other) in str(told.value)
    else:
        with pytest.raises(ModelError, match=r"text_encoder_2.* got numbers that are not finite for the text 'a cat'"):
            cache_texts(family, tmp_path / "cache", ["a cat"])
    assert not list((tmp_path / "cache").glob("*/*")), "nothing of it is kept"


def test_no_room_is_told_before_the_first_file(family, tmp_path, monkeypatch, encoded):
    usage = namedtuple("Usage", "total used free")(10**6, 10**6 - 30_000, 30_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    cache_texts(family, tmp_path, ["a", "b"])
    with pytest.raises(NoRoom, match=r"text: got 0\.0 MB of free space, expected 0\.[0-9] MB for what is to be cached") as told:
        cache_texts(family, tmp_path, ["a", "b", *"cdefghijkl"])
    assert encoded == ["a", "b", "c"] and len(list((tmp_path / "text").iterdir())) == 2
    size = max(file.stat().st_size for file in (tmp_path / "text").iterdir())
    assert told.value.needed == 10 * size


FULL = {"resolution": [64, 80], "flip": True, "caption_dropout": 0.3, "shuffle_tags": True, "validation_images": 0}


@pytest.mark.parametrize("data", [{}, FULL], ids=["plain", "all at once"])
def test_never_mismatched_over_shuffled_epochs(family, make_run, small, transformer, data, tmp_path):
    """Each image of each batch goes with its own caption, and both are what an encoding without a cache gives."""
    if data:
        data = {**data, "folder": str(make_shapes(tmp_path / "shapes"))}
    small["data"] |= data
    config, folder = parse_config(small), make_run(small, cached=False)
    images = split_images(config, read_dataset(config))
    make_material(config, folder, family, images, [])
    material, _, vae = make_material(config, folder, family, images, [])  # from the files
    losses, kept = [], {}
    with family.text_encoder() as encoder:
        for epoch in range(3):
            for position in range(images.feed.sampler.steps_per_epoch):
                views = images.feed.list_views(epoch, position)
                for view in views:
                    words = sorted(tag.strip() for tag in view.item.path.with_suffix(".txt").read_text().split(","))
                    assert view.caption == "" or sorted(view.caption.split(", ")) == words
                    place = view.item.path, view.size, view.flipped
                    kept.setdefault(place, vae.encode(load_image(view.item, view.size, view.flipped)))
                    kept.setdefault(view.caption, encoder.encode(view.caption))
                made = Batch(
                    torch.stack([kept[view.item.path, view.size, view.flipped] for view in views]),
                    {name: torch.stack([kept[view.caption][name] for view in views]) for name in ("txt", "pooled")},
                )
                cached = material.make_batch(views)
                assert torch.equal(cached.latents, made.latents)
                assert all(torch.equal(cached.conditions[name], made.conditions[name]) for name in ("txt", "pooled"))
                noise = draw_noise(family, made, config.train, position)
                losses.append([compute_loss(family, transformer, batch, noise, config.train) for batch in (cached, made)])
    assert all(abs(cached - uncached) <= 1e-6 for cached, uncached in losses) and len(losses) >= 12


def make_shapes(folder):
    """A folder of images of several shapes, captioned with tags."""
    folder.mkdir()
    for number, size in enumerate([(96, 96), (160, 80), (80, 160), (120, 120), (90, 70)]):
        Image.effect_noise(size, 60 + number).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"sks {number}, red, blue, green")
    return folder


KILLED = """
import os, signal, sys, torch
from trainer import cache
from trainer.disk import write_whole
def die(path, data, mark):
    if data.find(b"third") > 0:
        path.with_name(f"{path.name}{mark}.new").write_bytes(data[:20])
        os.kill(os.getpid(), signal.SIGKILL)
    write_whole(path, data, mark)
cache.write_whole = die
drawer = cache.Drawer(cache.Path(sys.argv[1]), ("x",))
make = lambda keys: ({"third" if key == "c" else "x": torch.ones(9)} for key in keys)
drawer.fill(dict.fromkeys("abcd", 1.0), make, cache.Crew())
"""


def test_killed_while_it_writes_nothing_is_half_there(tmp_path):
    folder = tmp_path / "things" / "x"
    folder.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.suffix for path in folder.iterdir()) == [".new", ".safetensors", ".safetensors"]
    made = []
    found = Drawer(folder, ("x",)).fill(
        dict.fromkeys("abcd", 1.0), lambda keys: made.extend(keys) or ({"x": torch.zeros(9)} for _ in keys), Crew()
    )
    assert made == ["c", "d"] and [int(found[key]["x"].sum()) for key in "abcd"] == [9, 9, 0, 0]


def test_files_are_written_beside_and_renamed(family, tmp_path):
    cache_texts(family, tmp_path, ["a cat"])
    assert [path.suffix for path in Path(tmp_path / "text").iterdir()] == [".safetensors"]
