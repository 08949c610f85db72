"""From images to batches: tensors, the held-out split, and a sampler without a memory."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data import Material, Sampler, load_image, shuffled, split_validation
from trainer.dataset import DatasetError, read_folder


def test_a_tensor_of_an_image(tmp_path):
    image = Image.new("RGB", (96, 64), (255, 0, 51))
    image.save(tmp_path / "a.png")
    tensor = load_image(tmp_path / "a.png", 32)
    assert tensor.shape == (3, 32, 32) and tensor.dtype == torch.float32
    assert torch.allclose(tensor.mean((1, 2)), torch.tensor([1.0, -1.0, 51 / 127.5 - 1]))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_image_that_breaks_while_it_is_decoded_is_named(tmp_path, name):
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9000])
    with Image.open(tmp_path / name) as opened:
        assert opened.size == (200, 200), "its header is whole"
    with pytest.raises(DatasetError, match=rf"{name}: got an image that cannot be decoded, expected a whole one \(") as caught:
        load_image(tmp_path / name, 64)
    assert caught.value.folder == str(tmp_path)


def test_the_split_is_by_content(make_folder):
    folder = make_folder({f"{number}.png": f"caption {number}" for number in range(6)})
    items = read_folder(folder, "")
    own, held_out = split_validation(items, 2)
    assert len(own) == 4 and len(held_out) == 2 and {*own, *held_out} == {*items}
    again = split_validation(list(reversed(items)), 2)
    assert again == (own, held_out)
    for path in folder.glob("*"):
        path.rename(path.with_name("renamed-" + path.name))
    renamed = split_validation(read_folder(folder, ""), 2)
    assert [item.digest for item in renamed[1]] == [item.digest for item in held_out]


@pytest.mark.parametrize(("images", "own", "repeats"), [(10, 3, 9), (10, 3, 1), (1, 4, 1), (7, 7, 2), (5, 2, 3)])
def test_each_image_is_seen_as_often_as_asked(images, own, repeats):
    sampler = Sampler(images, 0, own, 0, repeats, seed=3)
    batches = [sampler.own(1, position) for position in range(sampler.steps_per_epoch)]
    seen = [number for batch in batches for number in batch]
    assert all(len(batch) == own for batch in batches)
    assert Counter(seen[: images * repeats]) == dict.fromkeys(range(images), repeats)
    assert len(seen) - images * repeats < own, "only the last batch is filled up"


def test_regularisation_images_all_have_their_turn_across_epochs():
    sampler = Sampler(4, 10, 2, 3, 2, seed=3)  # 4 steps an epoch, 12 regularisation images
    seen = [number for epoch in range(5) for position in range(4) for number in sampler.ordinary(epoch, position)]
    for turn in range(6):
        assert sorted(seen[turn * 10 : (turn + 1) * 10]) == list(range(10))
    assert sampler.ordinary(3, 1) == seen[(3 * 4 + 1) * 3 :][:3]


def test_no_memory_and_no_repetition():
    sampler, fresh = Sampler(20, 0, 4, 0, 1, seed=3), Sampler(20, 0, 4, 0, 1, seed=3)
    orders = {epoch: [sampler.own(epoch, position) for position in range(5)] for epoch in range(3)}
    shuffled.cache_clear()
    assert fresh.own(2, 3) == orders[2][3], "the same without what came before"
    assert orders[0] != orders[1] != orders[2]
    assert Sampler(20, 0, 4, 0, 1, seed=4).own(0, 0) != orders[0][0]


def test_an_order_is_the_same_on_every_machine():
    assert shuffled(8, ("own", 42, 0, 0)) == (7, 5, 0, 1, 3, 4, 6, 2)


def test_a_batch_finds_each_caption_by_what_it_says(make_folder):
    items = read_folder(make_folder({"a.png": "one", "b.png": "two", "c.png": "one"}), "")
    latents = {item.image_digest: torch.full((16, 4, 4), float(number)) for number, item in enumerate(items)}
    texts = {word: {"txt": torch.full((8, 6), value), "pooled": torch.full((5,), value)} for word, value in ONE_TWO.items()}
    batch = Material(latents, texts).make_batch([items[2], items[0], items[2]])
    assert batch.latents[:, 0, 0, 0].tolist() == [2, 0, 2]
    expected = [ONE_TWO[items[number].caption] for number in (2, 0, 2)]
    assert batch.conditions["txt"][:, 0, 0].tolist() == expected and batch.conditions["pooled"][:, 0].tolist() == expected
    assert np.shape(batch.conditions["txt"]) == (3, 8, 6)


ONE_TWO = {"one": 1.0, "two": 2.0}
