"""What a training learns from, made ready; and what a person should know about it."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from trainer.checkpoint import StateError
from trainer.config import parse_config
from trainer.dataset import read_dataset
from trainer.families import find_base
from trainer.feed import View
from trainer.material import make_material, split_images, tell_images

CPU = torch.device("cpu")


@pytest.mark.parametrize("words", [20, 40])
def test_captions_that_are_cut_are_told_once_with_the_first_file(small, make_folder, make_run, capfd, words):
    captions = {"c.png": "a cat " * (words // 2), "b.png": "a dog " * (words // 2), "a.png": "short"}
    small["data"] |= {"folder": str(make_folder(captions)), "validation_images": 1, "regularisation_images": 0}
    config, folder = parse_config(small), make_run(small, cached=False)
    family = find_base(config.model, CPU)
    for _ in ("encoded", "from the cache"):
        make_material(config, folder, family, split_images(config, read_dataset(config)), [])
        warnings = [line[20:] for line in capfd.readouterr().out.splitlines() if "WARNING" in line]
        told = "WARNING captions cut at their end: 2, first that of b.png; got up to 41 tokens, expected at most 24"
        assert warnings == ([f"{told} (model.max_sequence_length)"] if words == 40 else [])


def draw_noise(size: tuple[int, int], seed: int) -> Image.Image:
    """The same each time: which image is held out depends on what is in it."""
    return Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))


@pytest.fixture
def shapes(small, tmp_path):
    """Settings of a folder with images of several shapes."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    for number, size in enumerate([(96, 96), (200, 100), (400, 60), (50, 70), (96, 96)]):
        draw_noise(size, number).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"sks {number}")
    small["data"] |= {"folder": str(folder), "validation_images": 0, "regularisation_images": 0, "batch_size": 2}
    return small


def told(settings, capfd):
    config = parse_config(settings)
    dataset = read_dataset(config)
    tell_images(config, dataset, split_images(config, dataset).feed)
    return [line[20:] for line in capfd.readouterr().out.splitlines()]


def test_sizes_crops_and_small_images_are_told(shapes, capfd):
    shapes["data"]["resolution"] = [64, 96]
    assert told(shapes, capfd) == [
        "Sizes: 96x96 (2), 64x64 (2), 192x48 (1), 128x64 (1), 128x32 (1), 80x48 (1), 48x64 (1)",
        "Cropped: 2 of 5 images lose more than 5%: 2.png 40%, 1.png 17%",
        "Small: 1 of 5 images do not reach 64 px and are learned smaller: 3.png 50x70",
        "Small: 1 of 5 images do not reach 96 px and are not learned at it: 3.png 50x70",
        "Filled up: 5 of 14 places of an epoch repeat an image, so that batches are of one size",
    ]


def test_an_image_is_measured_by_the_resolutions_that_are_its_own(shapes, capfd, tmp_path):
    (tmp_path / "set.toml").write_text(
        f"[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = '{shapes['data']['folder']}'\n"
    )
    shapes["data"] |= {"folder": str(tmp_path / "set.toml"), "resolution": [512, 1024]}
    small = [line for line in told(shapes, capfd) if line.startswith("Small")]
    assert small == ["Small: 1 of 5 images do not reach 64 px and are learned smaller: 3.png 50x70"]


def test_squares_are_told_of_what_they_lose(shapes, capfd):
    shapes["data"] |= {"buckets": False, "batch_size": 1}
    lines = told(shapes, capfd)
    assert lines[0].startswith("Sizes: 64x64 (3), 48x48 (2)") and "2.png 85%, 1.png 50%, 3.png 29%" in lines[1]


def test_nothing_is_told_of_squares_and_what_is_ignored_is(small, capfd, tmp_path):
    assert told(small, capfd) == []
    (tmp_path / "masks").mkdir()
    small["data"]["masks"] = str(tmp_path / "masks")
    assert told(small, capfd) == ["WARNING data.masks: 12 of 12 images have no mask and count fully, first robot_01.png"]


def test_masks_that_nobody_named_are_told(shapes, capfd):
    Image.new("L", (96, 96)).save(Path(shapes["data"]["folder"]) / "0-masklabel.png")
    assert "Masks: 1 of 5 images have one" in told(shapes, capfd)


def test_masks_are_made_ready_for_every_size_at_the_size_of_the_latent(shapes, tmp_path, make_run):
    (tmp_path / "masks").mkdir()
    Image.new("L", (400, 200), 128).save(tmp_path / "masks" / "1.png")
    shapes["data"] |= {"masks": str(tmp_path / "masks"), "mask_floor": 0.5, "resolution": [64, 96], "flip": True}
    config = parse_config(shapes)
    images = split_images(config, read_dataset(config))
    material, _, _ = make_material(config, make_run(shapes), find_base(config.model, CPU), images, [])
    (masked,) = [item for item in images.own if item.mask]
    for size in ((80, 48), (128, 64)):
        batch = material.make_batch([View(masked, size, masked.caption, flipped) for flipped in (False, True)])
        assert batch.masks.shape == (2, 1, *batch.latents.shape[2:]) == (2, 1, size[1] // 8, size[0] // 8)
        assert torch.allclose(batch.masks, torch.tensor(0.75), atol=0.01)


EVERYTHING = {
    "resolution": [64, 96],
    "flip": True,
    "caption_dropout": 0.3,
    "shuffle_tags": True,
    "keep_tags": 1,
    "mask_floor": 0.2,
    "regularisation_images": 1,
    "regularisation_weight": 0.5,
    "batch_size": 3,
    "validation_images": 1,
}


def test_with_everything_at_once_a_resume_is_exact_and_no_state_goes_on_under_other_data(shapes, learn, make_run):
    folder = Path(shapes["data"]["folder"])
    draw_noise((200, 100), 90).save(folder / "1-masklabel.png")
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"sks {number}, red, green, blue")
    shapes["data"] |= EVERYTHING
    shapes["sample"]["prompts"] = []
    whole = learn(shapes, "whole")
    resumed = make_run(shapes, "resumed")
    shutil.copytree(whole.epoch_state(2), resumed.epoch_state(2))
    learn(shapes, "resumed", resumed.epoch_state(2))
    first, second = load_file(whole.lora), load_file(resumed.lora)  # the files say different names of runs
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    draw_noise((200, 100), 91).save(folder / "1-masklabel.png")
    with pytest.raises(StateError, match="images and captions"):
        learn(shapes, "resumed", resumed.epoch_state(2))


def test_two_processes_encode_half_each(shapes, make_run, launch_command, tmp_path):
    shapes["train"]["epochs"] = 1
    shapes["sample"]["prompts"] = []
    folder = make_run(shapes, "two", cached=False)
    done = subprocess.run(
        launch_command(2, "-m", "trainer", str(folder.config)),
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0 and "Training finished" in done.stdout, done.stdout + done.stderr
    assert "Caching latents: 3/3" in done.stdout and "Caching text embeddings: 3/3" in done.stdout
    parts = sorted(path.parent.name for path in folder.shared_cache().glob("*/*"))
    assert parts == ["latents"] * 5 + ["text"] * 5
