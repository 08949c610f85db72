"""The arithmetic of a training: what the plan promises is what the sampler does."""

import random

import pytest

from trainer.buckets import Shape
from trainer.config import parse_config
from trainer.plan import Plan, is_due, list_entries, make_plan
from trainer.sampler import Entry, make_sampler

SQUARE = Shape((96, 96))
SHAPES = [Shape((96, 96)), Shape((200, 100)), Shape((40, 40)), Shape((100, 210), 3), Shape((96, 100), 2, (64, 96))]


def test_the_demo(small):
    small["sample"]["every_epochs"] = 1
    plan = make_plan(parse_config(small), [SQUARE] * 12)
    assert plan == Plan(train_images=10, validation_images=2, steps_per_epoch=4, total_steps=12, sample_rounds=4, lora_files=1)


@pytest.mark.parametrize("images", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("repeats", [1, 2, 9])
@pytest.mark.parametrize("resolution", [64, [64, 96]])
def test_the_sampler_agrees(small, images, repeats, resolution):
    small["data"] |= {"repeats": repeats, "validation_images": 0, "resolution": resolution}
    config, rng = parse_config(small), random.Random(images)
    shapes = [rng.choice(SHAPES) for _ in range(images)]
    entries = [entry for shape in shapes for entry in list_entries(config.data, shape)]
    sampler = make_sampler(config.data, entries, 5, seed=1)
    assert make_plan(config, shapes).steps_per_epoch == sampler.steps_per_epoch
    assert sampler.own(2, sampler.steps_per_epoch - 1)
    with pytest.raises(IndexError):
        sampler.own(2, sampler.steps_per_epoch)


def test_an_image_at_each_of_its_sizes_as_often_as_it_says(small):
    small["data"] |= {"repeats": 7, "resolution": [64, 96]}
    data = parse_config(small).data
    assert list_entries(data, Shape((200, 100))) == [Entry((80, 48), 7), Entry((128, 64), 7)]
    assert list_entries(data, Shape((80, 80), 2)) == [Entry((64, 64), 2)]
    assert list_entries(data, Shape((200, 200), None, (128,))) == [Entry((128, 128), 7)]
    square = parse_config({**small, "data": {**small["data"], "buckets": False}}).data
    assert list_entries(square, Shape((200, 100))) == [Entry((64, 64), 7), Entry((96, 96), 7)]


def test_those_that_are_held_out_are_the_first(small):
    small["data"] |= {"validation_images": 2, "repeats": 1, "batch_size": 2}
    config = parse_config(small)
    assert make_plan(config, [Shape((200, 100)), Shape((100, 200)), SQUARE, SQUARE]).steps_per_epoch == 2
    assert make_plan(config, [SQUARE, SQUARE, Shape((200, 100)), Shape((100, 200), 5)]).steps_per_epoch == 1 + 5


def test_samples_by_step_and_by_epoch_are_counted_once(small):
    small["sample"] |= {"every_epochs": 1, "every_steps": 2}
    assert make_plan(parse_config(small), [SQUARE] * 12).sample_rounds == 1 + 6  # at 0, 2, 4 ... 12
    small["sample"]["prompts"] = []
    assert make_plan(parse_config(small), [SQUARE] * 12).sample_rounds == 0
    small["sample"]["prompts_file"] = "more.txt"
    assert make_plan(parse_config(small), [SQUARE] * 12).sample_rounds == 1 + 6, "prompts of a file alone are drawn too"


def test_nothing_left_to_learn_from(config):
    with pytest.raises(ValueError, match="got 2 images with 2 held out for validation, expected at least one"):
        make_plan(config, [SQUARE] * 2)


def test_due():
    assert [count for count in range(1, 9) if is_due(count, 3)] == [3, 6]
    assert not any(is_due(count, 0) for count in range(1, 9))
