"""Pictures of the prompts: diffusers' own, named as kohya names them, one for each mark and prompt."""

import re

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

from trainer import mini
from trainer.config import Lora, parse_config
from trainer.flow import make_generator
from trainer.folder import RunFolder
from trainer.lora import add_lora
from trainer.sample import Painter, Sketch, find_pictures

TEXTS = ["a cat in the snow", "a rocket in space"]
SETTINGS = {"prompts": TEXTS, "steps": 3, "width": 96, "height": 64, "guidance": 3.5, "seed": 7}


def pictures_of(small, **changes):
    return find_pictures(parse_config({**small, "sample": SETTINGS | changes}))


@pytest.fixture
def make_painter(small, family, tmp_path):
    def make(**changes):
        pictures, folder = pictures_of(small, **changes), RunFolder(tmp_path / "robot")
        with family.text_encoder() as encoder:
            sketches = [Sketch(each, encoder.encode(each.prompt), encoder.encode(each.negative)) for each in pictures]
        folder.path.mkdir()
        return Painter(family, family.load_vae(), family.load_transformer(), sketches, folder)

    return make


@pytest.fixture
def painter(make_painter):
    return make_painter()


def names(painter):
    return sorted(path.name for path in painter.folder.samples.iterdir())


def test_the_picture_is_the_one_of_the_whole_pipeline(painter):
    pipe = FluxPipeline.from_pretrained(mini.MODEL, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    for index, text in enumerate(TEXTS):
        wanted = pipe(
            text,
            num_inference_steps=3,
            guidance_scale=3.5,
            width=96,
            height=64,
            max_sequence_length=24,
            generator=torch.Generator().manual_seed(7 + index),
        ).images[0]
        assert np.array_equal(np.asarray(painter.draw(index)), np.asarray(wanted))


def test_a_round(painter, capfd):
    assert not painter.has_round("e000002")
    painter.draw_round("e000002", 8)
    first, second = names(painter)
    assert re.fullmatch(r"robot_e000002_00_\d{14}_7\.png", first) and re.fullmatch(r"robot_e000002_01_\d{14}_8\.png", second)
    assert painter.has_round("e000002") and not painter.has_round("000008")
    lines = [line[20:] for line in capfd.readouterr().out.splitlines()]
    assert lines[-3:] == [
        "Sampling: 2 prompts at step 8",
        f"Saving sample: {painter.folder.samples / first}",
        f"Saving sample: {painter.folder.samples / second}",
    ]


def test_a_round_that_is_drawn_again_replaces_its_pictures(painter):
    painter.folder.samples.mkdir()
    for old in ("robot_e000002_00_20200101000000_7.png", "robot_e000001_00_20200101000000_7.png"):
        (painter.folder.samples / old).touch()
    painter.draw_round("e000002", 8)
    assert [name[:16] for name in names(painter)] == ["robot_e000001_00", "robot_e000002_00", "robot_e000002_01"]
    assert "robot_e000002_00_20200101000000_7.png" not in names(painter)


def test_a_stop_comes_between_two_pictures(painter):
    answers = iter([False, True])
    painter.draw_round("000004", 4, lambda: next(answers))
    assert len(names(painter)) == 1 and not painter.has_round("000004")


def test_the_training_is_not_disturbed(painter):
    weights = add_lora(painter.transformer, painter.family, Lora(rank=2), 1)
    torch.manual_seed(3)
    before, generator = torch.get_rng_state(), make_generator("step", 1, 1)
    painter.draw(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.randn(3, generator=generator), torch.randn(3, generator=make_generator("step", 1, 1)))
    assert all(weight.requires_grad and weight.grad is None for weight in weights.values())
    assert next(painter.vae.model.parameters()).device.type == "cpu"


def test_a_gpu_without_room_to_decode_ends_no_training(painter, monkeypatch, capfd):
    def run_out(latents, **options):
        monkeypatch.setattr(painter.vae.model, "decode", decode)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB. More")

    wanted, decode = np.asarray(painter.draw(0)), painter.vae.model.decode
    monkeypatch.setattr(painter.vae.model, "decode", run_out)
    assert np.array_equal(np.asarray(painter.draw(0)), wanted)
    assert "WARNING the GPU has no room to decode a picture, so the CPU does; CUDA out of memory" in capfd.readouterr().out


def test_no_prompts_no_round(painter, capfd):
    painter.sketches = []
    painter.draw_round("e000000", 0)
    assert not painter.folder.samples.exists() and "Sampling" not in capfd.readouterr().out


def test_each_prompt_has_what_stands_behind_it(small, tmp_path):
    (tmp_path / "more.txt").write_text("# of the file\na [trigger] --d 5\n")
    own = {"prompts": ["a cat --w 128 --s 4 --n blurry --l 3", "a dog"], "prompts_file": str(tmp_path / "more.txt")}
    cat, dog, robot = pictures_of(small, **own)
    assert (cat.prompt, cat.negative, cat.width, cat.height, cat.steps, cat.cfg, cat.seed) == (
        "a cat",
        "blurry",
        128,
        64,
        4,
        3,
        7,
    )
    assert (dog.prompt, dog.width, dog.steps, dog.seed) == ("a dog", 96, 3, 8)
    assert (robot.prompt, robot.seed) == ("a sks robot", 5)
    with pytest.raises(ValueError, match=r"sample\.prompts.*got --w 100, expected a whole number from 64 to 2048"):
        pictures_of(small, prompts=["a cat --w 100"])


def test_options_reach_the_picture_and_its_name(make_painter):
    """Classifier-free guidance with a negative prompt is the whole pipeline's; the size and the seed are the prompt's own."""
    painter = make_painter(prompts=["a cat in the snow --n a rocket in space --l 3 --w 64 --d 11"])
    pipe = FluxPipeline.from_pretrained(mini.MODEL, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    drawn = [
        pipe(
            "a cat in the snow",
            negative_prompt="a rocket in space",
            true_cfg_scale=cfg,
            num_inference_steps=3,
            guidance_scale=3.5,
            width=64,
            height=64,
            max_sequence_length=24,
            generator=torch.Generator().manual_seed(11),
        ).images[0]
        for cfg in (3.0, 1.0)
    ]
    ours, guided, plain = (np.asarray(picture, int) for picture in (painter.draw(0), *drawn))
    assert np.array_equal(ours, guided) and not np.array_equal(guided, plain)
    painter.draw_round("000004", 4)
    assert [re.sub(r"\d{14}", "", name) for name in names(painter)] == ["robot_000004_00__11.png"]


def test_a_picture_without_room_is_left_out_and_ends_nothing(painter, monkeypatch, capfd):
    draw = painter.family.draw

    def full(transformer, picture, *more):
        if picture.prompt == TEXTS[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return draw(transformer, picture, *more)

    monkeypatch.setattr(painter.family, "draw", full)
    painter.draw_round("e000002", 8)
    assert [name[:16] for name in names(painter)] == ["robot_e000002_01"]
    assert "WARNING sample 0 of 96x64 px is left out" in capfd.readouterr().out
