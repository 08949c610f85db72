"""From images to batches: tensors of images and masks, the held-out split, each row with its own latent, caption and mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data import Material, load_image, load_mask, place_of, split_validation
from trainer.dataset import DatasetError, read_folder
from trainer.family import TOKENS
from trainer.feed import View

ONE_TWO = {"one": 1.0, "two": 2.0}


def test_a_tensor_of_an_image(make_folder):
    folder = make_folder({"a.png": "x"})
    Image.new("RGB", (96, 64), (255, 0, 51)).save(folder / "a.png")
    (item,) = read_folder(folder, "")
    tensor = load_image(item, (48, 32))
    assert tensor.shape == (3, 32, 48) and tensor.dtype == torch.float32
    assert torch.allclose(tensor.mean((1, 2)), torch.tensor([1.0, -1.0, 51 / 127.5 - 1]))


def test_a_mirrored_image_is_that_of_the_mirrored_file(make_folder):
    folder = make_folder({"a.png": "x", "b.png": "x"})
    noise = Image.effect_noise((100, 64), 80).convert("RGB")
    noise.save(folder / "a.png")
    noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "b.png")
    one, other = sorted(read_folder(folder, ""), key=lambda item: item.path)
    flipped = load_image(one, (48, 32), flipped=True)
    assert (flipped - load_image(other, (48, 32))).abs().max() <= 1 / 127.5, "but for the rounding of pixels"
    assert (flipped - load_image(one, (48, 32))).abs().max() > 0.1


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_image_that_breaks_while_it_is_decoded_is_named(make_folder, name):
    folder = make_folder({name: "x"})
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / name)
    (item,) = read_folder(folder, "")
    (folder / name).write_bytes((folder / name).read_bytes()[:9000])
    with Image.open(folder / name) as opened:
        assert opened.size == (200, 200), "its header is whole"
    with pytest.raises(DatasetError, match=rf"{name}: got an image that cannot be decoded, expected a whole one \(") as caught:
        load_image(item, (64, 64))
    assert caught.value.folder == str(folder)


def test_an_image_that_is_replaced_meanwhile_is_not_taken_for_what_it_was(make_folder):
    folder = make_folder({"a.png": "x"})
    (item,) = read_folder(folder, "")
    Image.new("RGB", (80, 64), "white").save(folder / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: got another image than a moment ago"):
        load_image(item, (64, 64))


def test_a_mask_is_cropped_as_its_image_and_floored(make_folder):
    """The left half counts; the image is cropped to its middle half, so a column of the latent is cut through."""
    folder = make_folder({"a.png": "x"}, size=(200, 100))
    mask = Image.new("L", (200, 100), 0)
    mask.paste(255, (0, 0, 100, 100))
    mask.save(folder / "a-masklabel.png")
    (item,) = read_folder(folder, "")
    loaded = load_mask(item, (96, 96), torch.zeros(16, 12, 12), 0.25)
    assert loaded.shape == (1, 12, 12)
    assert loaded[0, 0].tolist() == pytest.approx([1.0] * 6 + [0.25] * 6, abs=0.02)
    loaded = load_mask(item, (96, 96), torch.zeros(128, 6, 6), 0)
    assert loaded[0, 3].tolist() == pytest.approx([1.0] * 3 + [0.0] * 3, abs=0.02)


def test_a_mask_that_breaks_is_named(make_folder):
    folder = make_folder({"a.png": "x"})
    Image.effect_noise((80, 64), 80).save(folder / "a-masklabel.png")
    (item,) = read_folder(folder, "")
    (folder / "a-masklabel.png").write_bytes((folder / "a-masklabel.png").read_bytes()[:1000])
    with pytest.raises(DatasetError, match=r"a\.png: got a mask that cannot be decoded"):
        load_mask(item, (64, 64), torch.zeros(16, 8, 8), 0)


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


@pytest.fixture
def items(make_folder):
    return read_folder(make_folder({"a.png": "one", "b.png": "two", "c.png": "one"}), "")


@pytest.fixture
def material(items):
    """Latents whose numbers say which image they are, from left to right rising; mirrored ones falling."""
    row = torch.arange(4.0) / 100
    latents = {}
    for number, item in enumerate(items):
        for size in ((32, 32), (64, 32)):
            latent = (torch.arange(size[0] // 8) / 100 + number).expand(16, 4, -1)
            latents |= {((item.image_digest, size), False): latent, ((item.image_digest, size), True): latent.flip(-1)}
    texts = {
        word: {"txt": torch.full((8, 6), value), "pooled": torch.full((5,), value), TOKENS: torch.tensor(3)}
        for word, value in ONE_TWO.items()
    }
    return Material(latents, texts, {("m", (32, 32)): row.expand(1, 4, 4)})


def test_a_batch_finds_everything_by_content(items, material):
    shown = [items[2], items[0], items[2]]
    batch = material.make_batch([View(item, (32, 32), item.caption) for item in shown])
    assert batch.latents[:, 0, 0, 0].tolist() == [2, 0, 2] and batch.latents.shape == (3, 16, 4, 4)
    expected = [ONE_TWO[item.caption] for item in shown]
    assert batch.conditions.keys() == {"txt", "pooled"}
    assert batch.conditions["txt"][:, 0, 0].tolist() == expected == batch.conditions["pooled"][:, 0].tolist()
    assert np.shape(batch.conditions["txt"]) == (3, 8, 6)
    assert batch.weights is None and batch.masks is None, "nothing that costs time is made where nobody asked for it"


def test_sizes_mirrors_and_other_captions(items, material):
    batch = material.make_batch([View(items[1], (64, 32), "two"), View(items[0], (64, 32), "one", flipped=True)])
    assert batch.latents.shape == (2, 16, 4, 8)
    assert batch.latents[0, 0, 0].tolist() == pytest.approx([1 + column / 100 for column in range(8)])
    assert batch.latents[1, 0, 0].tolist() == pytest.approx([column / 100 for column in reversed(range(8))])
    assert batch.conditions["pooled"][:, 0].tolist() == [2, 1]


def test_weights_and_masks(items, material):
    masked = replace(items[0], mask=items[0].path, mask_digest="m")
    views = [
        View(masked, (32, 32), "one"),
        View(masked, (32, 32), "one", flipped=True),
        View(items[1], (32, 32), "two", weight=0.5),
    ]
    batch = material.make_batch(views)
    assert batch.weights.tolist() == [1, 1, 0.5] and batch.masks.shape == (3, 1, 4, 4)
    assert batch.masks[:, 0, 2].flatten().tolist() == pytest.approx([0, 0.01, 0.02, 0.03, 0.03, 0.02, 0.01, 0, 1, 1, 1, 1])


def test_a_view_that_was_not_made_ready_is_no_other(items, material):
    with pytest.raises(KeyError):
        material.make_batch([View(items[0], (16, 16), "one")])
    assert place_of(View(items[0], (16, 16), "one")) == (items[0].image_digest, (16, 16))
