"""flux-mini as it is checked in: small, a plain diffusers folder, and honest about what its demo shows."""

import random

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

from trainer import mini
from trainer.config import load_config
from trainer.dataset import read_dataset
from trainer.mini.make import pictures, scenes
from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe, draw_caption
from trainer.mini.make.demo_set import TESTED, TRIGGER
from trainer.mini.make.parts import Work
from trainer.mini.make.subjects import KEPT_AWAY, SUBJECTS
from trainer.plan import make_plan

PARTS = {
    "transformer": FluxTransformer2DModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": T5EncoderModel,
    "tokenizer": CLIPTokenizer,
    "tokenizer_2": T5TokenizerFast,
    "scheduler": FlowMatchEulerDiscreteScheduler,
}


def read_captions(folder):
    return {path.stem: path.with_suffix(".txt").read_text().strip() for path in folder.glob("*.png")}


def test_it_is_a_plain_diffusers_folder_and_draws():
    pipe = FluxPipeline.from_pretrained(mini.MODEL)
    assert {name: type(pipe.components[name]) for name in PARTS} == PARTS
    pipe.set_progress_bar_config(disable=True)

    def draw(prompt):
        generator = torch.Generator().manual_seed(1)
        sizes = {"height": 96, "width": 96, "num_inference_steps": 12, "max_sequence_length": 24}
        return np.asarray(pipe(prompt, generator=generator, guidance_scale=3.5, **sizes).images[0], float)

    heart, again, sky = draw("a heart on a blue background"), draw("a heart on a blue background"), draw("a heart in space")
    assert (heart == again).all()
    red, _, blue = heart[40:60, 40:56].mean((0, 1))
    assert red > 2 * blue, "the heart is red"
    red, _, blue = heart[:10].mean((0, 1))
    assert blue > 2 * red, "its background is blue"
    assert sky[:10].mean() < 60, "space is dark"


def test_it_is_small():
    size = sum(path.stat().st_size for path in mini.MODEL.rglob("*") if path.is_file())
    assert size <= 12_000_000
    assert sum(path.stat().st_size for path in mini.DATASET.rglob("*") if path.is_file()) < 1_000_000


def test_the_demo_can_be_trained():
    config = load_config(mini.DEMO)
    captions = read_captions(mini.DATASET)
    plan = make_plan(config, read_dataset(config).shapes)
    assert len(captions) == 12
    assert 300 <= plan.total_steps <= 400
    assert all(config.trigger in caption for caption in captions.values())
    assert config.trigger == TRIGGER
    root = mini.DEMO.parents[2]  # where the trainer is started
    assert config.data.regularisation is not None
    paths = (config.model.base, config.data.folder, config.data.regularisation)
    assert [root / path for path in paths] == [mini.MODEL, mini.DATASET, mini.REGULARISATION]


@pytest.mark.parametrize("folder", [mini.DATASET, mini.REGULARISATION], ids=["own", "regularisation"])
def test_every_picture_has_the_size_of_the_demo_and_a_caption(folder):
    config, captions = load_config(mini.DEMO), read_captions(folder)
    assert len(captions) == {mini.DATASET: 12, mini.REGULARISATION: 48}[folder]
    assert all(captions.values())
    assert {path.stem for path in folder.glob("*.txt")} == captions.keys()
    for name in captions:
        assert Image.open(folder / f"{name}.png").size == (config.data.resolution, config.data.resolution)


def test_the_other_prompts_are_not_among_the_regularisation_pictures():
    prompts = load_config(mini.DEMO).sample.prompts
    others = [prompt for prompt in prompts if TRIGGER not in prompt]
    shown = [subject for subject in TESTED if any(f" {subject} " in prompt for prompt in others)]
    assert len(prompts) - len(others) == 3
    assert len(shown) == len(others) > 0
    for caption in read_captions(mini.REGULARISATION).values():
        assert not [subject for subject in shown if f" {subject} " in caption]
        assert TRIGGER not in caption


def test_the_robot_is_also_asked_for_where_no_picture_shows_it():
    learned = set(read_captions(mini.DATASET).values())
    asked = [prompt for prompt in load_config(mini.DEMO).sample.prompts if TRIGGER in prompt]
    assert 0 < len([prompt for prompt in asked if prompt in learned]) < len(asked)


def test_pretraining_never_speaks_of_the_robot():
    rng = random.Random(1)
    assert "robot" not in " ".join(describe(subject, where) for subject in SUBJECTS for where in BACKGROUNDS)
    assert "\N{ROBOT FACE}" in KEPT_AWAY
    captions = [draw_caption(subject, "red", rng) for subject in [*SUBJECTS, "toy"] for _ in range(100)]
    assert [caption for caption in captions if "robot" in caption] == []


def test_pretraining_never_sees_the_robot(monkeypatch, tmp_path):
    def refuse(_):
        raise AssertionError("a robot was drawn")

    monkeypatch.setattr(scenes, "draw_robot", refuse)
    pictures.draw_pictures(Work(tmp_path), pictures.Amounts(per_pair=0, toys=2, doodles=20, loose_toys=20, loose_glyphs=0))
    with pytest.raises(AssertionError, match="a robot was drawn"):
        scenes.draw_robot_scene("red", random.Random(1))
